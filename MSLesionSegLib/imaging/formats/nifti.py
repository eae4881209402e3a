"""NIfTI-1 and NIfTI-2, as one file or as a pair of header and voxels."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.files.checksums import file_sha256, files_sha256
from MSLesionSegLib.imaging.checks import scan_checks
from MSLesionSegLib.imaging.checks.position import check_position_codes
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.formats.analyze import open_analyze
from MSLesionSegLib.imaging.formats.gzip_check import check_gzip
from MSLesionSegLib.imaging.formats.stored import DAMAGED, StoredVolume, cut_off, first_bytes

_KINDS = (nib.Nifti1Header, nib.Nifti2Header)
_LONGEST_HEADER = 540


def open_nifti(path: Path) -> StoredVolume:
    """Open a NIfTI file. Of a pair, either file may be given.

    Raises:
        ImageError: the file is damaged, of another kind, or not one 3D volume on a usable grid.
    """
    header_file, voxel_file = _files_of(path)
    single = header_file == voxel_file
    header = _header(header_file)
    if header is None and not single:
        return open_analyze(path, header_file, voxel_file)
    if header is None:
        raise _not_readable(path.name)
    try:
        findings = _mend_scaling(path.name, header)
        offset = _first_voxel(path.name, header_file, header) if single else int(header["vox_offset"])
        header["vox_offset"] = offset
        header.check_fix()
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
        affine = header.get_best_affine()
        slope, intercept = header.get_slope_inter()
    except DAMAGED:
        raise _not_readable(path.name) from None
    scan_checks.check_shape(path.name, shape)
    scan_checks.check_value_type(path.name, dtype)
    scan_checks.check_affine(path.name, affine)
    findings += [
        *scan_checks.check_units(path.name, header, affine),
        *check_position_codes(path.name, header),
        *_check_length(path.name, voxel_file, offset + int(np.prod(shape)) * dtype.itemsize),
    ]
    try:
        voxels = ArrayProxy(str(voxel_file), (shape, dtype, offset, 1.0, 0.0), mmap=False)
        stored = np.asarray(voxels).reshape(shape[:3])
    except DAMAGED:
        raise cut_off(path.name) from None
    return StoredVolume(
        stored=stored,
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        affine=affine,
        header=header,
        sha256=_sha256(path, header_file, voxel_file),
        findings=tuple(findings),
    )


def _files_of(path: Path) -> tuple[Path, Path]:
    """The files with header and voxels that belong to a file; the same one twice where it holds both.

    Raises:
        ImageError: the other one is missing, or one of them is not what its name says.
    """
    files = (path, path)
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        named = nib.Nifti1Pair.filespec_to_file_map(str(path))
        files = (Path(named["header"].filename), Path(named["image"].filename))
    for file in files:
        if not file.exists():
            raise ImageError(
                f"{path.name} is one of two files that belong together, and {file.name} is not beside it. Put both "
                "into one folder."
            )
        _check_name_matches_content(file)
    return files


def _not_readable(name: str) -> ImageError:
    """Say that a file is no NIfTI image."""
    return ImageError(
        f"{name} is not a NIfTI image, or it is damaged or cut off. Copy or download it again, or convert it "
        "again from the DICOM files."
    )


def _header_bytes(file: Path, count: int) -> bytes:
    """The begin of a file, unpacked."""
    try:
        with nib.openers.ImageOpener(str(file)) as opener:
            return opener.read(count)
    except DAMAGED:
        raise _not_readable(file.name) from None


def _header(file: Path) -> nib.Nifti1Header | None:
    block = _header_bytes(file, _LONGEST_HEADER)
    for kind in _KINDS:
        if kind.may_contain_header(block):
            return kind(block[: kind.template_dtype.itemsize], check=False)
    return None


def _mend_scaling(name: str, header: nib.Nifti1Header) -> list[InputWarning]:
    findings = scan_checks.check_scaling(name, float(header["scl_slope"]), float(header["scl_inter"]))
    if findings:
        header["scl_slope"], header["scl_inter"] = np.nan, 0  # the standard's way to say that there is none
    return findings


def _first_voxel(name: str, file: Path, header: nib.Nifti1Header) -> int:
    """Where the voxels of a single file begin: 0 is said where the writer left it open, and means the least place."""
    least, given = int(header.single_vox_offset), float(header["vox_offset"])
    if given == 0:
        if _header_bytes(file, least)[header.template_dtype.itemsize :][:1] not in (b"", b"\0"):
            raise ImageError(
                f"{name} does not say where its voxels begin, and further text lies behind its header. Convert it "
                "again from the DICOM files, for example with dcm2niix."
            )
        return least
    if not (given >= least and given.is_integer()):
        raise ImageError(
            f"{name} says that its voxels begin at byte {given:g}, which is within its header. It is damaged, or was "
            "written by a faulty program: convert it again from the DICOM files, for example with dcm2niix."
        )
    return int(given)


def _check_length(name: str, file: Path, wanted: int) -> list[InputWarning]:
    """Compare the number of bytes with what the header promises, and read compressed ones to their end."""
    if file.name.lower().endswith(".gz"):
        with file.open("rb") as stream:
            length = check_gzip(name, stream)
    else:
        length = file.stat().st_size
    if length < wanted:
        raise cut_off(name)
    if length == wanted:
        return []
    return [
        InputWarning(
            "extra-bytes",
            f"{name} holds {length - wanted} bytes more than its header describes. They are left out: check that the "
            "scan is whole.",
        )
    ]


def _check_name_matches_content(path: Path) -> None:
    name, start = path.name, first_bytes(path, 2)
    zipped = start == b"\x1f\x8b"
    if not start:
        raise ImageError(f"{name} is empty (0 bytes). Copy or download it again.")
    if name.lower().endswith(".gz") and not zipped:
        raise ImageError(
            f"{name} is not compressed although its name ends in .gz, or it is not an image. If it is an "
            "uncompressed NIfTI, rename it to .nii; otherwise copy or download it again."
        )
    if not name.lower().endswith(".gz") and zipped:
        raise ImageError(
            f"{name} is compressed although its name does not end in .gz. Rename it to {name}.gz."
        )


def _sha256(path: Path, *files: Path) -> str:
    if files == (path, path):
        return file_sha256(path)
    return files_sha256(files)
