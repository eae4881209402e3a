"""The DICOM series that a result is written for: its headers, and where its frames lie on the voxels."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from pydicom.multival import MultiValue
from pydicom.valuerep import DA, TM

from MSLesionSegLib.errors import ImageError, MissingPackageError
from MSLesionSegLib.imaging.dicom.frames import Frame, frames_of
from MSLesionSegLib.imaging.dicom.headers import parse, quiet
from MSLesionSegLib.imaging.dicom.series import read_voxels
from MSLesionSegLib.imaging.dicom.stack import stack

# what patients and studies may lack, and objects of theirs name all the same, empty
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)
# what references to a series are made of
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_LONGEST = 64  # characters of a UID or a patient's number (DICOM PS3.5, 6.2)


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """One image series.

    Attributes:
        images: headers without pixels: of each slice, from the first to the last one of ``grid``, or of one file with
            many frames.
        slices: for each frame, which slice of ``grid`` it is.
        grid: image of zeros (columns, rows, slices) on the voxels on which such a series is read.
        frames: from the first to the last slice of ``grid``.
    """

    images: tuple[pydicom.Dataset, ...]
    slices: tuple[int, ...]
    grid: nib.Nifti1Image
    frames: tuple[Frame, ...]

    @property
    def header(self) -> pydicom.Dataset:
        """What tells patient, study and series."""
        return self.images[0]

    def scan(self) -> nib.Nifti1Image:
        """The series itself: float32 on ``grid``."""
        with quiet():
            stored, (slope, intercept), _ = read_voxels(self.frames[0].file.parent.name, list(self.frames))
        return nib.Nifti1Image((stored * slope + intercept).astype(np.float32), self.grid.affine)

    def planes(self, voxels: np.ndarray) -> np.ndarray:
        """Voxels (columns, rows, slices) as pixels of the frames: (frames, rows, columns)."""
        return np.ascontiguousarray(voxels.transpose(2, 1, 0)[list(self.slices)])


def read_series(files: Sequence[Path]) -> SourceSeries:
    """Read the headers of a series.

    Args:
        files: all that were read as one scan.

    Raises:
        ImageError: the series names no frame of reference, lacks identifiers or has too long ones, or lies in several
            multi-frame files.
    """
    name = files[0].parent.name
    with quiet():
        headers = {file: parse(file, stop_before_pixels=True) for file in files}
        frames, affine = stack(name, [f for file, header in headers.items() for f in frames_of(file, header)])
    if not frames[0].origin[1]:
        raise ImageError(f"The scan in {name} names no frame of reference, so nothing can be placed on it.")
    missing = [word for word in _NEEDED if not all(header.get(word) for header in headers.values())]
    if missing:
        raise ImageError(
            f"The scan in {name} has no {missing[0]}, so nothing that is written could refer to it."
        )
    if len(headers) == 1:
        images: tuple[pydicom.Dataset, ...] = (headers[frames[0].file],)
        slices = np.argsort([frame.index for frame in frames])
    elif len(headers) == len(frames):
        images = tuple(headers[frame.file] for frame in frames)
        slices = np.arange(len(frames))
    else:
        raise ImageError(
            f"The scan in {name} lies in several files with many frames each, for which no segmentation is written. "
            "Export it as one file, or as one file for each slice."
        )
    with quiet():
        for image in images:
            _make_copyable(image)
    for word in (*_NEEDED, "FrameOfReferenceUID", "PatientID"):
        if any(len(str(image[word].value)) > _LONGEST for image in images):
            raise ImageError(
                f"The scan in {name} has a {word} of more than {_LONGEST} characters, which DICOM does not allow. "
                "Nothing that is written could name the same one: have it corrected where the scan comes from."
            )
    shape = (*frames[0].size, len(frames))
    nothing = nib.Nifti1Image(np.zeros(shape, np.uint8), affine)
    nothing.set_sform(affine, "scanner")
    nothing.set_qform(affine, "scanner")
    return SourceSeries(images, tuple(int(n) for n in slices), nothing, tuple(frames))


def _make_copyable(header: pydicom.Dataset) -> None:
    """Empty what may be empty and is missing, or is no value that the standard knows; bring rare letters to UTF-8."""
    for keyword in _MAY_BE_EMPTY:
        value = header.get(keyword) or ""
        if isinstance(value, MultiValue):  # they have one
            value = value[0]
        if keyword.endswith("Date"):
            value = str(value).replace(".", "")  # as before DICOM
        setattr(header, keyword, value if _conforms(keyword, str(value)) else "")
    sets = header.get("SpecificCharacterSet") or ""
    if isinstance(sets, MultiValue) or "2022" in sets or (sets and sets not in _known_letters()):
        header.decode()
        header.SpecificCharacterSet = "ISO_IR 192"


def _known_letters() -> set[str]:
    from highdicom.enum import SpecificCharacterSetValues

    return {one.value for one in SpecificCharacterSetValues}


def _conforms(keyword: str, value: str) -> bool:
    kind = {"PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM}.get(keyword)
    if kind is None:
        return keyword != "PatientSex" or value in ("", "F", "M", "O")
    try:
        kind(value)
    except ValueError:
        return False
    return True


def references(series: SourceSeries) -> list[pydicom.Dataset]:
    """An item for each image of a series, by which another object refers to it."""
    items = []
    for image in series.images:
        item = pydicom.Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
        items.append(item)
    return items


def patient_and_study(header: pydicom.Dataset) -> dict[str, Any]:
    """Arguments by which highdicom makes an object of the same patient and study."""
    return {
        "study_instance_uid": header.StudyInstanceUID,
        "patient_id": header.PatientID,
        "patient_name": header.PatientName,
        "patient_birth_date": header.PatientBirthDate,
        "patient_sex": header.PatientSex,
        "accession_number": header.AccessionNumber,
        "study_id": header.StudyID,
        "study_date": header.StudyDate,
        "study_time": header.StudyTime,
        "referring_physician_name": header.ReferringPhysicianName,
        "specific_character_set": header.get("SpecificCharacterSet"),
    }


@contextlib.contextmanager
def writing_packages() -> Iterator[None]:
    """Import what writes DICOM within.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingPackageError(
            f"Writing DICOM needs the package {error.name}. Install it with: pip install mslesionseg[dicom]"
        ) from None


@contextlib.contextmanager
def without_names() -> Iterator[None]:
    """Keep what highdicom and pydicom have to say of a patient's name from the terminal."""
    logger = logging.getLogger("highdicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with quiet():
            yield
    finally:
        logger.setLevel(level)
