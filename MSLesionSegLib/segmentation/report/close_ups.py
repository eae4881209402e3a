"""Lesions from near, the same place on every scan of the session side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to

from MSLesionSegLib.imaging.normalization import PAIR_WINSORISE_PERCENT, zscore
from MSLesionSegLib.lesions.table import Lesion
from MSLesionSegLib.segmentation.report.pictures import Colour, axial_place, data_url, grey, outline

_HALF_MM = 30
_PIXELS = 230
_GREY_RANGE = (-2.5, 4.0)  # z-scores


@dataclass(frozen=True)
class CloseUp:
    """One lesion: a square picture of an axial slice per scan (data URLs), the patient's right on the left.

    ``overlay``: a transparent picture with the outline, to lay over the view number ``outlined``.
    """

    lesion: int
    views: tuple[str, ...]
    overlay: str
    outlined: int
    caption: str
    size: int = _PIXELS


def close_ups(
    images: Mapping[str, nib.Nifti1Image],
    outlined: str,
    brain: np.ndarray,
    labels: np.ndarray,
    lesions: Sequence[Lesion],
    colours: Mapping[int, Colour],
    most: int = 6,
) -> list[CloseUp]:
    """The most certain lesions, each on the axial slice through its centre, 60 mm wide.

    Args:
        images: scans on one grid by name, in the order in which they are shown.
        outlined: the scan on which the lesion is outlined.
        brain, labels: (X, Y, Z) on that grid.
        lesions: rows of the table.
        colours: by lesion id.
    """
    shown = sorted(lesions, key=lambda lesion: (-(lesion.peak_probability or 0), -lesion.volume_mm3))[:most]
    scaled = {
        name: nib.Nifti1Image(zscore(np.asarray(image.dataobj), brain, PAIR_WINSORISE_PERCENT), image.affine)
        for name, image in images.items()
    }
    return [_close_up(lesion, scaled, outlined, labels, colours[lesion.id]) for lesion in shown]


def _close_up(
    lesion: Lesion, scans: Mapping[str, nib.Nifti1Image], outlined: str, labels: np.ndarray, colour: Colour
) -> CloseUp:
    grid = _plane(lesion.centre_ras)
    views = [data_url(grey(_sample(image, grid), _GREY_RANGE, _PIXELS)) for image in scans.values()]
    own = nib.Nifti1Image((labels == lesion.id).astype(np.float32), scans[outlined].affine)
    overlay = np.zeros((_PIXELS, _PIXELS, 4), np.uint8)
    overlay[outline(_sample(own, grid), _PIXELS, gap=2)] = (*colour, 255)
    remark = f", {lesion.remark}" if lesion.remark else ""
    return CloseUp(
        lesion=lesion.id,
        views=tuple(views),
        overlay=data_url(overlay),
        outlined=list(scans).index(outlined),
        caption=f"No. {lesion.id}, {lesion.volume_mm3:.0f} mm³{remark} · {axial_place(lesion.centre_ras[2])}",
    )


def _plane(centre: Sequence[float]) -> tuple[tuple[int, int, int], np.ndarray]:
    """A 1 mm grid of one axial slice: first axis to the patient's left, second downwards on the picture."""
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[:3, 3] = [centre[0] + _HALF_MM, centre[1] + _HALF_MM, centre[2]]
    return (2 * _HALF_MM + 1, 2 * _HALF_MM + 1, 1), affine


def _sample(image: nib.Nifti1Image, grid: tuple[tuple[int, int, int], np.ndarray]) -> np.ndarray:
    """Rows of the picture: what lies in front is at the top."""
    plane = resample_from_to(image, grid, order=1, mode="constant", cval=0.0)
    return np.asarray(plane.dataobj, dtype=np.float32)[:, :, 0].T
