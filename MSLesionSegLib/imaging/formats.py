"""Opening the file formats that a scan comes in: NIfTI, NRRD, or a folder with one DICOM series."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.checksums import file_sha256
from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging import checks
from MSLesionSegLib.imaging.checks import Finding

KINDS = "NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr) or a folder with one DICOM series"

# What nibabel and gzip raise on files that are cut off, damaged or not what their name says.
_DAMAGED = (
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
    nib.spatialimages.HeaderTypeError,
    OSError,
    EOFError,
    zlib.error,
    ValueError,
    OverflowError,
    MemoryError,
)


@dataclass(frozen=True, eq=False)
class StoredVolume:
    """One 3D volume as its file holds it.

    Attributes:
        stored: (X, Y, Z) real numbers as stored, before scaling.
        slope, intercept: true value = stored * slope + intercept.
        affine: 4 x 4, voxel index to RAS mm.
        header: geometry of a NIfTI file; None for the other formats.
        sha256: of the file's bytes; for a DICOM series and a detached NRRD see ``imaging/dicom.py`` and
            ``open_nrrd``.
        findings: remarks on the header.
    """

    stored: np.ndarray
    slope: float
    intercept: float
    affine: np.ndarray
    header: nib.Nifti1Header | None
    sha256: str
    findings: tuple[Finding, ...] = ()


def open_volume(path: Path) -> StoredVolume:
    """Open a scan or a mask in any of the formats, and check its header.

    Raises:
        ImageError: the file is missing, of another kind, damaged, or not one 3D volume on a usable grid.
    """
    name = path.name or str(path)
    try:
        there = path.exists()
    except OSError as error:
        raise ImageError(f"{name[:80]} cannot be opened: {error.strerror}.") from error
    if not there:
        raise ImageError(f"{name} was not found. Check the name and the folder.")
    if path.is_dir():
        from MSLesionSegLib.imaging.dicom import open_dicom

        return open_dicom(path)
    if path.name.lower().endswith((".nii", ".nii.gz")):
        return open_nifti(path)
    if path.suffix.lower() in (".nrrd", ".nhdr"):
        return open_nrrd(path)
    if _first_bytes(path)[128:132] == b"DICM":
        raise ImageError(f"{name} is one DICOM file. Give the folder that holds all the files of its series.")
    raise ImageError(f"{name} is not of a kind that can be read. Give {KINDS}.")


def open_nifti(path: Path) -> StoredVolume:
    """Open a NIfTI-1 or NIfTI-2 file with nibabel."""
    name = path.name
    _check_name_matches_content(path)
    try:
        image = nib.load(path)
        with nib.openers.ImageOpener(path) as opener:
            on_disk = type(image.header).from_fileobj(opener, check=False)
    except _DAMAGED:
        raise _not_readable(name) from None
    if not isinstance(image, nib.Nifti1Image):
        raise _not_readable(name)

    header = image.header
    checks.check_shape(name, image.shape)
    checks.check_value_type(name, header.get_data_dtype())
    checks.check_affine(name, image.affine)
    findings = [
        *checks.check_units(name, header, image.affine),
        *checks.check_position_codes(name, header),
        *checks.check_scaling(name, float(on_disk["scl_slope"]), float(on_disk["scl_inter"])),
    ]
    try:
        stored = np.asarray(image.dataobj.get_unscaled()).reshape(image.shape[:3])
    except _DAMAGED:
        raise ImageError(
            f"{name} is damaged or cut off: it ends before its last voxel. Copy or download it again."
        ) from None
    return StoredVolume(
        stored=stored,
        slope=float(image.dataobj.slope),
        intercept=float(image.dataobj.inter),
        affine=image.affine,
        header=header,
        sha256=file_sha256(path),
        findings=tuple(findings),
    )


def open_nrrd(path: Path) -> StoredVolume:
    """Open a NRRD file with SimpleITK. The hash of a detached one (.nhdr) covers header and voxels."""
    import SimpleITK as sitk

    name = path.name
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        check_itk_header(name, reader)
        image = reader.Execute()
    except RuntimeError:
        raise ImageError(
            f"{name} is not a NRRD image, or it is damaged or cut off. Copy or export it again."
        ) from None
    stored, affine = from_itk(image)
    checks.check_affine(name, affine)
    digest = file_sha256(path)
    if path.suffix.lower() == ".nhdr":
        digest = hashlib.sha256(digest.encode() + np.ascontiguousarray(stored).tobytes()).hexdigest()
    return StoredVolume(stored, 1.0, 0.0, affine, None, digest)


def check_itk_header(name: str, reader) -> None:
    """Check shape and kind of voxels in a SimpleITK reader that has read the header only."""
    import SimpleITK as sitk

    if reader.GetPixelID() in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64):
        checks.check_value_type(name, np.dtype(np.complex64))
    if reader.GetNumberOfComponents() > 1:
        raise checks.several_values(name)
    checks.check_shape(name, tuple(reader.GetSize()))


def from_itk(image) -> tuple[np.ndarray, np.ndarray]:
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


def _check_name_matches_content(path: Path) -> None:
    name, start = path.name, _first_bytes(path)
    zipped = start[:2] == b"\x1f\x8b"
    if not start:
        raise ImageError(f"{name} is empty (0 bytes). Copy or download it again.")
    if name.lower().endswith(".gz") and not zipped:
        raise ImageError(
            f"{name} is not compressed although its name ends in .gz, or it is no image. If it is an "
            "uncompressed NIfTI, rename it to .nii; otherwise copy or download it again."
        )
    if not name.lower().endswith(".gz") and zipped:
        raise ImageError(
            f"{name} is compressed although its name does not end in .gz. Rename it to {name}.gz."
        )


def _not_readable(name: str) -> ImageError:
    return ImageError(
        f"{name} is not a NIfTI image, or it is damaged or cut off. Copy or download it again, or convert it "
        "again from the DICOM files."
    )


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(132)
    except OSError:
        raise ImageError(f"{path.name} cannot be opened. Check that you may read it.") from None
