"""Intensity inhomogeneity of the coil: N4 on a shrunken image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError

if TYPE_CHECKING:
    import SimpleITK as sitk

# The field is smooth over centimetres, so 5 mm voxels carry it at a small part of the cost.
_WORKING_EDGE_MM = 5.0
_CONTROL_POINT_DISTANCE_MM = 200.0
_ITERATIONS = (50, 50, 50, 50)
_FEWEST_SAMPLES = 100


def n4(image: nib.Nifti1Image, mask: nib.Nifti1Image) -> nib.Nifti1Image:
    """Divide a scan by its bias field.

    Args:
        image, mask: see :func:`bias_field`.

    Returns:
        float32 scan on the grid of ``image``, with the same median inside the mask.
    """
    return divide(image, bias_field(image, mask))


def divide(image: nib.Nifti1Image, field: np.ndarray) -> nib.Nifti1Image:
    """The scan (X, Y, Z) divided by a field on its grid, float32."""
    header = image.header.copy()
    header.set_data_dtype(np.float32)
    corrected = np.asarray(image.dataobj, dtype=np.float32) / field
    return nib.Nifti1Image(corrected.astype(np.float32), image.affine, header)


def bias_field(image: nib.Nifti1Image, mask: nib.Nifti1Image) -> np.ndarray:
    """Estimate the smooth bias field of a scan inside a mask (N4: Tustison et al. 2010).

    Args:
        image: scan (X, Y, Z), any orientation and spacing. Voxels of 0 or less do not take part in the
            estimate.
        mask: brain or head mask (X, Y, Z) on the same grid, nonzero inside.

    Returns:
        Positive array (X, Y, Z), scaled such that dividing by it keeps the median inside the mask. The same input
        gives the same field. Outside the mask it is the smooth continuation of the one inside.

    Raises:
        ImageError: nothing positive lies inside the mask.
        ValueError: ``mask`` has another shape than ``image``.
    """
    import SimpleITK as sitk

    if mask.shape != image.shape:
        raise ValueError(f"mask {mask.shape} and image {image.shape} differ in shape")
    data = np.asarray(image.dataobj, dtype=np.float32)
    # N4 takes logarithms; values at 0 or below are noise or interpolation ringing.
    inside = (np.asarray(mask.dataobj) > 0) & (data > 0)
    if not inside.any():
        raise ImageError("The mask holds no bright voxel of the scan, so its bias field cannot be estimated.")

    spacing = nib.affines.voxel_sizes(image.affine)
    full, full_mask = _to_itk(data, spacing), _to_itk(inside.astype(np.uint8), spacing)
    shrink = [
        max(1, min(round(_WORKING_EDGE_MM / edge), size // 4))
        for edge, size in zip(spacing, image.shape, strict=True)
    ]
    small, small_mask = sitk.Shrink(full, shrink), sitk.Shrink(full_mask, shrink)
    if np.count_nonzero(sitk.GetArrayViewFromImage(small_mask)) < _FEWEST_SAMPLES:
        small, small_mask = full, full_mask

    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(_ITERATIONS)
    corrector.SetNumberOfControlPoints(
        [
            4 + int(size * edge // _CONTROL_POINT_DISTANCE_MM)
            for size, edge in zip(image.shape, spacing, strict=True)
        ]
    )
    # Threads add in another order each time; one is fast enough and gives the same bits.
    corrector.SetNumberOfThreads(1)
    corrector.Execute(small, small_mask)
    field = np.exp(sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(full)).T)

    return field * (np.median(data[inside] / field[inside]) / np.median(data[inside]))


def _to_itk(array: np.ndarray, spacing: np.ndarray) -> sitk.Image:
    """The array as a SimpleITK image, without orientation: the field depends on distances only."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing([float(edge) for edge in spacing])
    return image
