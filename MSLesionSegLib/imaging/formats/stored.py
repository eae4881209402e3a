"""A volume as its file holds it, and the sentences of files that cannot be read."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning

# findings on masks: cut from fractions; one of several in a folder
FRACTIONS, CHOSEN = "fractions", "segmentation"

# What nibabel and gzip raise on files that are cut off, damaged or not what their name says.
DAMAGED = (
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
        sha256: of the file's bytes; where a volume lies in several files, of all of them together.
        findings: remarks on the header.
        dicom_files: those of its slices, in the order of their names; none of other formats.
        frame_of_reference: UID of the space in which its positions are told; empty of other formats than DICOM.
        lesion_labels: of a DICOM Segmentation, the labels that are lesions by their codes.
    """

    stored: np.ndarray
    slope: float
    intercept: float
    affine: np.ndarray
    header: nib.Nifti1Header | None
    sha256: str
    findings: tuple[InputWarning, ...] = ()
    dicom_files: tuple[Path, ...] = ()
    frame_of_reference: str = ""
    lesion_labels: tuple[int, ...] = ()


def first_bytes(path: Path, count: int) -> bytes:
    """The begin of a file.

    Raises:
        ImageError: it may not be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        raise ImageError(f"{path.name} cannot be opened. Check that you may read it.") from None


def cut_off(name: str) -> ImageError:
    """Say that there are fewer voxels than the header promises."""
    return ImageError(
        f"{name} is damaged or cut off: it ends before its last voxel. Copy or download it again."
    )
