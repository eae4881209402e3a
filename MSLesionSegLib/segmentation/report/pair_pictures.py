"""Pictures of change: the same place at baseline, at follow-up and on the subtraction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from MSLesionSegLib.imaging.subtraction import Subtraction
from MSLesionSegLib.lesions.components import bounding_box
from MSLesionSegLib.lesions.followup_table import FollowedLesion
from MSLesionSegLib.lesions.lesion_states import TrackedLesions
from MSLesionSegLib.segmentation.report.pictures import Colour, axial_place, data_url, grey, outline

_HALF_MM = 45
_PIXELS = 300
_MOST = 3  # places of each kind
_GREY_RANGE = (-3.0, 4.0)
_DIFFERENCE_RANGE = (-3.0, 3.0)


@dataclass(frozen=True)
class PictureTriple:
    """One place as three pictures of ``_PIXELS`` squared (data URLs), the patient's right on the left."""

    baseline: str
    followup: str
    subtraction: str
    caption: str


def lesion_triples(
    pair: Subtraction, tracked: TrackedLesions, rows: Sequence[FollowedLesion], colours: Mapping[str, Colour]
) -> list[PictureTriple]:
    """The most certain new lesions (then enlarged ones), each on the axial slice where it is largest."""
    order = {"new": 0, "enlarged": 1}
    shown = sorted(
        (row for row in rows if row.state in order),
        key=lambda row: (order[row.state], -(row.lesion.peak_probability or 0), -row.followup_mm3),
    )
    return [_triple(pair, tracked, row, colours[row.state]) for row in shown[:_MOST]]


def overview_triples(pair: Subtraction) -> list[PictureTriple]:
    """Whole axial slices through the middle of the brain, for a look at the alignment."""
    filled = np.flatnonzero(pair.brain.any((0, 1)))
    heights = np.quantile(filled, np.linspace(0.35, 0.75, _MOST)).astype(int)
    low, high = (np.array(corner) for corner in zip(*_extent(pair.brain), strict=True))
    middle, half = (low + high) / 2, int((high - low).max()) // 2 + 3
    triples = []
    for height in heights:
        centre = np.array([middle[0], middle[1], height]).astype(int)
        baseline, followup, difference = (
            data_url(grey(_cut(volume, centre, half), limits, _PIXELS))
            for volume, limits in (
                (_on_black(pair.baseline, pair.brain), _GREY_RANGE),
                (_on_black(pair.followup, pair.brain), _GREY_RANGE),
                (pair.difference, _DIFFERENCE_RANGE),
            )
        )
        triples.append(PictureTriple(baseline, followup, difference, _height(pair.affine, centre)))
    return triples


def _extent(brain: np.ndarray) -> list[tuple[int, int]]:
    """First and last voxel of the brain from right to left and from back to front."""
    return [(p.start, p.stop) for p in (bounding_box(brain) or (slice(0, 1),) * 3)[:2]]


def _triple(pair: Subtraction, tracked: TrackedLesions, row: FollowedLesion, colour: Colour) -> PictureTriple:
    own = tracked.labels == row.lesion.id
    height = int(np.argmax(own.sum((0, 1))))
    inside = np.argwhere(own[:, :, height])
    centre = np.array([*inside.mean(0).round().astype(int), height])
    half = round(_HALF_MM / float(nib.affines.voxel_sizes(pair.affine)[0]))
    before, after = (
        grey(_cut(_on_black(volume, pair.brain), centre, half), _GREY_RANGE, _PIXELS)
        for volume in (pair.baseline, pair.followup)
    )
    difference = grey(_cut(pair.difference, centre, half), _DIFFERENCE_RANGE, _PIXELS)
    shape = _cut((own & tracked.after).astype(np.float32), centre, half)
    followup = np.repeat(after[..., None], 3, axis=2)
    followup[outline(shape, _PIXELS, gap=1)] = colour
    caption = f"No. {row.lesion.id}, {row.state}, {row.followup_mm3:.0f} mm³, {row.lesion.region}"
    return PictureTriple(
        data_url(before),
        data_url(followup),
        data_url(difference),
        f"{caption} · {_height(pair.affine, centre)}",
    )


def _on_black(volume: np.ndarray, brain: np.ndarray) -> np.ndarray:
    return np.where(brain, volume, _GREY_RANGE[0])


def _cut(volume: np.ndarray, centre: np.ndarray, half: int) -> np.ndarray:
    """A square of an axial slice, turned so that rows go down and the patient's right is on the left."""
    padded = np.pad(volume[:, :, centre[2]], half, mode="edge")
    x, y = int(centre[0]), int(centre[1])
    return padded[x : x + 2 * half, y : y + 2 * half].T[::-1, ::-1]


def _height(affine: np.ndarray, voxel: np.ndarray) -> str:
    return axial_place(float(nib.affines.apply_affine(affine, voxel)[2]))
