"""NRRD, with its voxels in the same file or beside it (.nhdr)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.imaging.checks import scan_checks
from MSLesionSegLib.imaging.formats.nrrd_header import check_header, check_voxel_file, damaged, read_header
from MSLesionSegLib.imaging.formats.stored import StoredVolume

if TYPE_CHECKING:
    import SimpleITK as sitk


def open_nrrd(path: Path) -> StoredVolume:
    """Open a NRRD file with SimpleITK. The hash of a detached one covers header and voxels.

    Raises:
        ImageError: the file is damaged, of another kind, or not one 3D volume on a usable grid.
    """
    import SimpleITK as sitk

    name = path.name
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO")
    reader.SetFileName(str(path))
    try:
        header = read_header(path)
        findings = check_header(path, header)
        check_voxel_file(path, header)
        reader.ReadImageInformation()
        _check_itk_header(name, reader)
        image = reader.Execute()
    except (RuntimeError, ValueError, TypeError, KeyError, OSError):
        raise damaged(name) from None
    stored, affine = _from_itk(image)
    scan_checks.check_affine(name, affine)
    digest = file_sha256(path)
    if header.voxel_files:
        digest = hashlib.sha256(digest.encode() + np.ascontiguousarray(stored).tobytes()).hexdigest()
    return StoredVolume(stored, 1.0, 0.0, affine, None, digest, tuple(findings))


def _check_itk_header(name: str, reader: sitk.ImageFileReader) -> None:
    """Check shape and kind of voxels in a SimpleITK reader that has read the header only."""
    import SimpleITK as sitk

    if reader.GetPixelID() in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64):
        scan_checks.check_value_type(name, np.dtype(np.complex64))
    if reader.GetNumberOfComponents() > 1:
        raise scan_checks.several_values(name)
    scan_checks.check_shape(name, tuple(reader.GetSize()))


def _from_itk(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (X, Y, Z) and RAS affine of an LPS SimpleITK image; a fourth axis of length 1 is dropped."""
    import SimpleITK as sitk

    dimension = image.GetDimension()
    array = sitk.GetArrayFromImage(image)
    stored = np.moveaxis(array, range(dimension), range(dimension)[::-1]).reshape(array.shape[::-1][:3])
    direction = np.asarray(image.GetDirection()).reshape(dimension, dimension)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = direction * np.asarray(image.GetSpacing()[:3])
    affine[:3, 3] = image.GetOrigin()[:3]
    return stored, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
