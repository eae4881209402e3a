"""A scan as if the patient had been scanned again: another pose, another coil, other noise."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy import ndimage

from MSLesionSegLib.synthesis.deformation import smooth_field

_DEGREES, _SHIFT_MM = 3.0, 3.0  # how far the head is turned about each axis, and shifted along it
_NOISE = 0.03  # standard deviation relative to the mean of the brighter half of the head
_BIAS = 0.1  # relative strength of the smooth field


def scan_again(
    image: nib.Nifti1Image, rng: np.random.Generator, *, also: tuple[nib.Nifti1Image, ...] = ()
) -> tuple[nib.Nifti1Image, ...]:
    """Resample a scan on a turned and shifted grid of the same size; change its coil profile and add noise.

    Args:
        image: scan (X, Y, Z).
        rng: source of chance.
        also: masks on the same grid that come along (nearest neighbour, without bias and noise).

    Returns:
        The scan (float32) and the masks on the new grid. The affine is that of the old grid: the scan says nothing of
        the move, as after repositioning.
    """
    data = np.asarray(image.dataobj, dtype=np.float32)
    size = nib.affines.voxel_sizes(image.affine)
    signs = rng.choice([-1.0, 1.0], 3)
    turn = nib.eulerangles.euler2mat(*(np.deg2rad(_DEGREES) * signs))
    matrix = np.diag(1 / size) @ turn @ np.diag(size)
    middle = (np.array(data.shape) - 1) / 2
    offset = middle - matrix @ middle + rng.uniform(-_SHIFT_MM, _SHIFT_MM, 3) / size

    def moved(values: np.ndarray, order: int) -> np.ndarray:
        return ndimage.affine_transform(values, matrix, offset, order=order, mode="constant", cval=0.0)

    turned = moved(data, 1)
    empty = turned == 0  # air of a stripped scan stays empty
    head = turned[turned > np.median(turned)]
    level = float(head.mean()) if head.size else 1.0
    turned = turned * np.exp(_BIAS * smooth_field(turned.shape, 60 / float(size.min()), rng))
    turned = turned + rng.normal(0, _NOISE * level, turned.shape)
    turned[empty] = 0
    masks = (nib.Nifti1Image(moved(np.asarray(mask.dataobj), 0), image.affine) for mask in also)
    return (nib.Nifti1Image(turned.astype(np.float32), image.affine), *masks)
