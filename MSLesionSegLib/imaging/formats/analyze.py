"""Pairs of .hdr and .img from before NIfTI: Analyze 7.5 and what SPM made of it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.files.checksums import files_sha256
from MSLesionSegLib.imaging.checks import scan_checks
from MSLesionSegLib.imaging.checks.position import no_position
from MSLesionSegLib.imaging.formats.stored import DAMAGED, StoredVolume, cut_off


def open_analyze(path: Path, header_file: Path, voxel_file: Path) -> StoredVolume:
    """Open an Analyze pair with nibabel; a ``.mat`` file of SPM beside it gives the position.

    Raises:
        ImageError: the files are damaged, of another kind, or not one 3D volume on a usable grid.
    """
    name = path.name
    matrix = Path(nib.Spm2AnalyzeImage.filespec_to_file_map(str(path))["mat"].filename)
    files = [file for file in (header_file, voxel_file, matrix) if file.exists()]
    try:
        image = nib.Spm2AnalyzeImage.from_filename(str(path))
    except Exception:  # the matrix may hold anything
        raise ImageError(
            f"{name} is not a NIfTI or Analyze image, or it is damaged or cut off. Copy it again, or convert it "
            "again from the DICOM files."
        ) from None
    scan_checks.check_shape(name, image.shape)
    scan_checks.check_value_type(name, image.get_data_dtype())
    scan_checks.check_affine(name, image.affine)
    try:
        stored = np.asarray(image.dataobj.get_unscaled()).reshape(image.shape[:3])
    except DAMAGED:
        raise cut_off(voxel_file.name) from None
    position = () if matrix in files else (no_position(name, "LAS"),)
    return StoredVolume(
        stored,
        float(image.dataobj.slope),
        float(image.dataobj.inter),
        image.affine,
        None,
        files_sha256(files),
        position,
    )
