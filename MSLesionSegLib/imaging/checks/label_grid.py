"""Bringing labels onto the voxels of the image that they belong to, without resampling."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks.position import corners, largest_distance
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning, times

_SAME_MM = 1e-3
_SAME_VOXELS = 0.1
_WAY_OUT = (
    "Resample the mask onto that image with nearest-neighbor interpolation, or give the image's own mask."
)


def on_grid(
    name: str, values: np.ndarray, affine: np.ndarray, reference: nib.Nifti1Image, *, in_parts: bool
) -> tuple[np.ndarray, list[InputWarning]]:
    """Move labels voxel by voxel onto the grid of ``reference``.

    Args:
        values: labels (X, Y, Z) whose voxels lie on those of ``reference`` to a tenth of a voxel.
        affine: of ``values``, 4 x 4, to RAS mm.
        in_parts: ``values`` may be a part of it, or reach beyond it where nothing is labelled, and their axes may be
            turned, as segmentations of 3D Slicer and DICOM.

    Returns:
        Labels of the shape of ``reference``, 0 where ``values`` say nothing, and a remark where anything was moved.

    Raises:
        ImageError: the voxels lie elsewhere, or a label lies beyond ``reference``.
    """
    shape = reference.shape[:3]
    if values.shape == shape and np.abs(affine - reference.affine).max() <= _SAME_MM:
        return values, []
    steps = _steps(values.shape, np.linalg.inv(reference.affine) @ affine)
    same = steps is not None and values.shape == shape and np.array_equal(steps, np.eye(4))
    if steps is None or not (same or in_parts):
        raise elsewhere(name, values.shape, affine, reference)
    found = np.argwhere(values)
    there = np.rint(nib.affines.apply_affine(steps, found)).astype(int)
    beyond = int(np.count_nonzero(((there < 0) | (there >= shape)).any(axis=1)))
    if beyond:
        raise ImageError(
            f"The mask {name} has {beyond} labeled voxels that lie beyond the image that it must match. {_WAY_OUT}"
        )
    moved = np.zeros(shape, values.dtype)
    moved[tuple(there.T)] = values[tuple(found.T)]
    off = largest_distance(affine, reference.affine @ steps, values.shape)
    if same:
        told = (
            f"The mask {name} lies up to {off:.2g} mm beside its image, less than a tenth of a voxel. It was taken "
            "to lie on the same voxels."
        )
    else:
        told = f"The mask {name} is cut or turned otherwise than its image. It was placed voxel by voxel."
    return moved, [InputWarning("mask-placed", told)]


def covering(image: nib.Nifti1Image, other: nib.Nifti1Image) -> nib.Nifti1Image:
    """An empty image on the voxels of ``image``, made larger so that it covers ``other`` as well.

    Raises:
        ImageError: their voxels do not lie on each other.
    """
    steps = _steps(other.shape, np.linalg.inv(image.affine) @ other.affine)
    if steps is None:
        raise ImageError(f"The two masks lie on different voxels. {_WAY_OUT}")
    ends = np.array([[0, 0, 0], np.array(other.shape) - 1])
    there = np.rint(nib.affines.apply_affine(steps, ends)).astype(int)
    first = np.minimum(there.min(axis=0), 0)
    shape = np.maximum(there.max(axis=0) + 1, image.shape) - first
    affine = image.affine @ nib.affines.from_matvec(np.eye(3), first)
    return nib.Nifti1Image(np.zeros(shape, np.uint8), affine, extra=image.extra)


def _steps(shape: tuple[int, ...], index: np.ndarray) -> np.ndarray | None:
    """The whole steps from voxel to voxel that a matrix between two grids stands for; None where it has none."""
    steps = np.rint(index)
    turned = np.abs(steps[:3, :3])
    if (turned.sum(axis=0) != 1).any() or (turned.sum(axis=1) != 1).any():
        return None
    centre = np.append((np.array(shape) - 1) / 2, 1)
    steps[:3, 3] = np.rint((index @ centre - steps[:, :3] @ centre[:3])[:3])
    off = (index - steps) @ corners(shape)
    return steps if np.abs(off).max() < _SAME_VOXELS else None


def elsewhere(
    name: str, shape: tuple[int, ...], affine: np.ndarray, reference: nib.Nifti1Image
) -> ImageError:
    """Say that labels do not lie on the voxels of an image."""
    wanted = reference.shape[:3]
    if shape != wanted:
        return ImageError(
            f"The mask {name} has {times(shape)} voxels but the image that it must match has "
            f"{times(wanted)}. {_WAY_OUT}"
        )
    distance = largest_distance(affine, reference.affine, wanted)
    return ImageError(
        f"The mask {name} lies up to {distance:.3g} mm away from the image that it must match although both "
        f"have {times(wanted)} voxels. {_WAY_OUT}"
    )
