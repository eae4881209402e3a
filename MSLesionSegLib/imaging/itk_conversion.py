"""Images for SimpleITK and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

if TYPE_CHECKING:
    import SimpleITK as sitk


def to_itk(image: nib.Nifti1Image) -> sitk.Image:
    """Return the image for SimpleITK: same voxels, geometry in LPS."""
    import SimpleITK as sitk

    converted = sitk.GetImageFromArray(np.ascontiguousarray(np.asarray(image.dataobj).T))
    lps = np.diag([-1.0, -1.0, 1.0]) @ image.affine[:3]
    spacing = np.linalg.norm(lps[:, :3], axis=0)
    converted.SetSpacing(spacing.tolist())
    converted.SetOrigin(lps[:, 3].tolist())
    converted.SetDirection((lps[:, :3] / spacing).ravel().tolist())
    return converted


def from_itk(image: sitk.Image, affine: np.ndarray) -> nib.Nifti1Image:
    """Return an image that lies on a grid whose voxel-to-RAS affine is known (ITK keeps it in rounded pieces)."""
    import SimpleITK as sitk

    return nib.Nifti1Image(np.ascontiguousarray(sitk.GetArrayFromImage(image).T), affine)
