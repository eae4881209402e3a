"""What a page holds to be scrolled through: the scans of a patient and the lesions on them, at 8 bit and 1 mm."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from MSLesionSegLib.imaging.grid import NETWORK_SPACING_MM, to_native_grid
from MSLesionSegLib.imaging.normalization import tissue_scale
from MSLesionSegLib.imaging.registration import Registration
from MSLesionSegLib.lesions.components import bounding_box
from MSLesionSegLib.resources import RESOURCES
from MSLesionSegLib.segmentation.longitudinal.native_space import ids_on

NIIVUE = RESOURCES / "Viewer" / "niivue.js.gz"
_SCRIPT = Path(__file__).with_name("viewer.js")
_MOST_BYTES = 5_500_000  # of scans and lesions, as text; the pictures of the page come on top
_COARSER = (NETWORK_SPACING_MM, 1.25, 1.5, 2.0, 3.0)  # mm, for heads that would not fit
_HEAD_MM = 15.0  # around the brain: skull and scalp, and no face
_STEP = 3  # voxels: the distance to the brain is measured on every third
_BLACK, _WHITE = -2.5, 4.0  # standard deviations of the brain from its mean
_SHOWN_WHITE = 200  # of 255: what is brighter can be told apart by turning the contrast down
_FAST = 1  # compression of what mostly is noise


@dataclass(frozen=True, eq=False)
class ViewedScan:
    """A scan that is shown beside the others of the patient.

    Attributes:
        title: what stands over it.
        image: the scan (X, Y, Z) on its own grid.
        labels: ids on the grid of the lesions, of those that are marked on this scan.
        registration: to the space of the lesions, where the scan lies in another one.
    """

    title: str
    image: nib.Nifti1Image
    labels: np.ndarray
    registration: Registration | None = None


@dataclass(frozen=True)
class ViewedLesion:
    """A lesion as the viewer lists it.

    Attributes:
        id: in the labels.
        number: as in the table of the page.
        name: state or region.
        colour: of a page, such as ``#e08c00``.
        size: volume in mm³.
        centre: of the voxel that is nearest to its middle, mm in RAS.
        possible: it may be a lesion, and is not counted.
    """

    id: int
    number: int
    name: str
    colour: str
    size: float
    centre: tuple[float, float, float]
    possible: bool = False


def view(
    scans: Sequence[ViewedScan], lesions: Sequence[ViewedLesion], brain: np.ndarray, affine: np.ndarray
) -> dict[str, Any]:
    """What the page needs to show scans and lesions, so small that the page can be mailed.

    What lies farther from the brain than skull and scalp is left out: nobody can be told by the face.

    Args:
        scans: of one patient, in the order in which they stand beside each other.
        lesions: in the order of the list.
        brain, affine: mask (X, Y, Z) of the brain on the grid of the lesions, and that grid.

    Returns:
        ``content`` for the script, as JSON types, with the lesions' places in the list, from 1, as their labels;
        ``script`` itself; ``niivue``, the library, as base64 of its gzip; ``policy``, by which the page loads nothing
        and runs nothing else.
    """
    for spacing in _COARSER:
        content = _content(scans, lesions, nib.Nifti1Image(brain.astype(np.uint8), affine), spacing)
        if sum(len(scan["voxels"]) + len(scan["labels"]) for scan in content["scans"]) <= _MOST_BYTES:
            break
    script, niivue = _SCRIPT.read_text(encoding="utf-8"), NIIVUE.read_bytes()
    runs = " ".join(
        f"'sha256-{_text(hashlib.sha256(code).digest())}'"
        for code in (script.encode("utf-8"), gzip.decompress(niivue))
    )
    return {
        "content": content,
        "script": script,
        "niivue": _text(niivue),
        "policy": f"default-src 'none'; script-src {runs}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
    }


def _content(
    scans: Sequence[ViewedScan], lesions: Sequence[ViewedLesion], brain: nib.Nifti1Image, spacing: float
) -> dict[str, Any]:
    grid = _grid(brain, spacing)
    inside = _on_few(brain, grid)
    head = _around(inside, grid)
    ids = [*(int(scan.labels.max(initial=0)) for scan in scans), *(lesion.id for lesion in lesions)]
    place = np.zeros(max(ids) + 1, np.int32)
    for number, lesion in enumerate(lesions, start=1):
        place[lesion.id] = number
    shown = []
    for scan in scans:
        labels = place[ids_on(scan.labels, brain.affine, grid, None)]
        voxels = nib.Nifti1Image(_eight_bit(scan, grid, inside, head), grid.affine)
        small = labels.astype(np.uint8 if len(lesions) < 256 else "<u2")
        shown.append(
            {
                "title": scan.title,
                "voxels": _text(gzip.compress(voxels.to_bytes(), _FAST)),
                "labels": _text(gzip.compress(small.tobytes("F"), _FAST)),
                "bytes": small.itemsize,
            }
        )
    return {"scans": shown, "white": _SHOWN_WHITE, "lesions": [asdict(lesion) for lesion in lesions]}


def _grid(brain: nib.Nifti1Image, spacing: float) -> nib.Nifti1Image:
    """An empty RAS grid around the head, whose voxels lie at whole millimetres where they have that size."""
    box = bounding_box(np.asarray(brain.dataobj)) or tuple(slice(0, n) for n in brain.shape)
    corners = np.stack(np.meshgrid(*((b.start, b.stop - 1) for b in box)), -1).reshape(-1, 3)
    points = nib.affines.apply_affine(brain.affine, corners)
    low, high = points.min(0) - _HEAD_MM, points.max(0) + _HEAD_MM
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = np.floor(low)
    shape = np.ceil((high - affine[:3, 3]) / spacing).astype(int) + 1
    return nib.Nifti1Image(np.zeros(shape, np.uint8), affine)


def _on_few(brain: nib.Nifti1Image, grid: nib.Nifti1Image) -> np.ndarray:
    """Where the brain is among every third voxel of the grid."""
    shape = [len(range(0, edge, _STEP)) for edge in grid.shape]
    few = nib.Nifti1Image(np.zeros(shape, np.uint8), grid.affine @ np.diag([_STEP, _STEP, _STEP, 1]))
    return np.asarray(to_native_grid(brain, few).dataobj) >= 0.5


def _around(inside: np.ndarray, grid: nib.Nifti1Image) -> np.ndarray:
    """Voxels of the grid that are shown: the brain, and the head as far as it is not the face."""
    step_mm = _STEP * float(grid.affine[0, 0])
    near = ndimage.distance_transform_edt(~inside, sampling=step_mm) <= _HEAD_MM
    for axis, edge in enumerate(grid.shape):
        near = near.repeat(_STEP, axis).take(range(edge), axis)
    return near


def _eight_bit(scan: ViewedScan, grid: nib.Nifti1Image, inside: np.ndarray, head: np.ndarray) -> np.ndarray:
    if scan.registration is None:
        values = np.asarray(to_native_grid(scan.image, grid).dataobj)
    else:
        values = np.asarray(scan.registration.apply(scan.image, grid).dataobj)
    tissue = values[::_STEP, ::_STEP, ::_STEP][inside]
    mean, deviation = tissue_scale(tissue) if tissue.size else (0.0, 1.0)
    slope = np.float32(_SHOWN_WHITE / (_WHITE - _BLACK) / max(deviation, 1e-6))
    scaled = (values - np.float32(mean + _BLACK * deviation)) * slope
    return (scaled.clip(0, 255) * head).astype(np.uint8)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
