"""The network's grid (isotropic, axis-aligned RAS), the way back to the native grid, and the voxel at a point."""

from __future__ import annotations

from collections.abc import Sequence

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.processing import resample_from_to
from nibabel.spaces import vox2out_vox
from scipy.ndimage import gaussian_filter1d

NETWORK_SPACING_MM = 1.0
_ROUNDING = 1e-4  # voxels


def to_network_grid(
    image: nib.Nifti1Image, spacing: float = NETWORK_SPACING_MM, order: int = 1
) -> nib.Nifti1Image:
    """Resample an image to an axis-aligned RAS grid that covers its whole field of view.

    Args:
        image: 3D image (X, Y, Z) with any orientation, obliquity and voxel size.
        spacing: edge of the isotropic output voxels in mm.
        order: 1 for intensities (linear), 0 for label ids (nearest neighbour).

    Returns:
        float32 image for ``order=1``, else the input's type; voxels outside the field of view are 0.
        Axes that are sampled more coarsely than before are smoothed first, so that thin structures do not alias.

    >>> scan = nib.Nifti1Image(np.zeros((10, 10, 4), np.float32), np.diag([1, 1, 3, 1]))
    >>> to_network_grid(scan).shape
    (10, 10, 10)
    """
    shape, affine = vox2out_vox((image.shape, image.affine), np.full(3, spacing))
    grid = (tuple(int(n) for n in shape), affine)
    if order == 0:
        return resample_from_to(image, grid, order=0)
    data = np.asarray(image.dataobj, dtype=np.float32)
    for axis, size in enumerate(voxel_sizes(image.affine)):
        # full width at half maximum of the missing blur, converted to a standard deviation in voxels
        blur = np.sqrt(max((spacing / size) ** 2 - 1.0, 0.0)) / 2.355
        if blur > 0.2:
            data = gaussian_filter1d(data, blur, axis=axis)
    return _sample(nib.Nifti1Image(data, image.affine), grid)


def voxel_at(ras: Sequence[float], affine: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """The voxel of a grid at a point in mm RAS, or None if the point lies outside."""
    place = nib.affines.apply_affine(np.linalg.inv(affine), np.asarray(ras, float))
    voxel = np.rint(place).astype(int)
    if (voxel < 0).any() or (voxel >= shape).any():
        return None
    x, y, z = voxel.tolist()
    return x, y, z


def to_native_grid(volume: nib.Nifti1Image, reference: nib.Nifti1Image, order: int = 1) -> nib.Nifti1Image:
    """Sample a volume at the voxel centres of ``reference``: same shape, same affine, voxel for voxel.

    Returns:
        float32 image (linear, ``order=1``) or labels of the input's type (``order=0``); 0 outside ``volume``.
    """
    grid = (reference.shape[:3], reference.affine)
    if order == 0:
        return resample_from_to(volume, grid, order=0)
    return _sample(nib.Nifti1Image(np.asarray(volume.dataobj, dtype=np.float32), volume.affine), grid)


def _sample(image: nib.Nifti1Image, grid: tuple[tuple[int, ...], np.ndarray]) -> nib.Nifti1Image:
    """Linear interpolation at the voxel centres of ``grid``, 0 beyond the centres of the outermost voxels.

    ITK does it, on all cores. Both images are counted in voxels, so that a sheared affine, which ITK's own geometry
    cannot hold, is but another affine transform.
    """
    import SimpleITK as sitk

    shape, affine = grid
    to_input = np.linalg.inv(image.affine) @ affine
    transform = sitk.AffineTransform(to_input[:3, :3].ravel().tolist(), to_input[:3, 3].tolist())
    source = sitk.GetImageFromArray(np.ascontiguousarray(np.asarray(image.dataobj, np.float32).T))
    size = [int(n) for n in shape]
    identity = (0.0,) * 3, (1.0,) * 3, np.eye(3).ravel().tolist()
    sampled = sitk.Resample(source, size, transform, sitk.sitkLinear, *identity, 0.0, sitk.sitkFloat32)
    values = sitk.GetArrayFromImage(sampled).T
    steps = np.ogrid[tuple(slice(np.float32(n)) for n in size)]
    for row, edge in zip(to_input[:3].astype(np.float32), image.shape, strict=True):
        place = sum((slope * step for slope, step in zip(row[:3], steps, strict=True) if slope), row[3])
        values *= (place >= -_ROUNDING) & (place <= edge - 1 + _ROUNDING)
    return nib.Nifti1Image(values, affine)
