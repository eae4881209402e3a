"""The series of a study, or of an export of many patients, with what each of them is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from MSLesionSegLib.imaging.dicom.frames import frame_value
from MSLesionSegLib.imaging.dicom.headers import Copies, quiet, read_header
from MSLesionSegLib.imaging.dicom.role import Role, SeriesRole, role_of

_SAME_PLANE = 0.99  # cosine between the normals of two images


@dataclass(frozen=True)
class SeriesInfo:
    """One series of images.

    ``patient``, ``description``, ``date`` and ``time`` are the patient's data: they tell series apart and may be
    shown to the person who asks, but never stand in a result, a log or a message.

    Attributes:
        files: that hold its images, in the order of their names.
        patient: that tells patients apart; empty where the headers name nobody.
        study_uid, series_uid: its identifiers.
        number: within the study, or None.
        description: free text.
        modality: such as ``MR``; empty where it is not given.
        role: what it is, a key of :data:`~MSLesionSegLib.imaging.dicom.role.TITLES`.
        reason: why it was taken for that.
        date, time: of the acquisition, as YYYYMMDD and HHMMSS; empty where they are not given.
        images: how many slices it has, counting the frames of multi-frame files.
        voxel_mm: distance of columns, rows and slices, or None.
        copies: further files that are byte for byte one of ``files``.
    """

    files: tuple[Path, ...]
    patient: str
    study_uid: str
    series_uid: str
    number: int | None
    description: str
    modality: str
    role: Role
    reason: str
    date: str
    time: str
    images: int
    voxel_mm: tuple[float, float, float] | None
    copies: tuple[Path, ...] = ()


def list_series(folder: Path) -> tuple[SeriesInfo, ...]:
    """All series of images in a folder and the folders within, by patient, date, study and number; may be none.

    What is no DICOM image is passed over, and so are hidden files and links to folders.
    """
    found: dict[tuple[str, str, str], _Gathered] = {}
    with quiet():
        for path in _files(folder):
            header = read_header(path)
            if header is not None and header.get("Rows") and header.get("Columns"):
                study, uid = _text(header, "StudyInstanceUID"), _text(header, "SeriesInstanceUID")
                found.setdefault((_patient(header), study, uid), _Gathered(header)).add(path, header)
        series = [_info(key, gathered) for key, gathered in found.items()]
    return tuple(sorted(series, key=_order))


class _Gathered:
    """What is kept of the headers of a series: an export has too many for the memory."""

    def __init__(self, first: pydicom.Dataset) -> None:
        self.first = first
        self.files: list[Path] = []
        self.images = 0
        self.copies: list[Path] = []
        self._known = Copies()
        self.normals: list[np.ndarray] = []  # of the planes that its images lie in

    def add(self, file: Path, header: pydicom.Dataset) -> None:
        if self._known.has(file, _text(header, "SOPInstanceUID")):
            self.copies.append(file)
            return
        self.files.append(file)
        with contextlib.suppress(
            Exception
        ):  # values that the standard does not allow are refused where it is read
            self.images += int(header.get("NumberOfFrames") or 1)
            axes = frame_value(header, 0, "ImageOrientationPatient")
            normal = np.cross(*np.array(axes, float).reshape(2, 3))
            if not any(abs(normal @ other) > _SAME_PLANE for other in self.normals):
                self.normals.append(normal)


def studies_of(series: Iterable[SeriesInfo]) -> list[tuple[SeriesInfo, ...]]:
    """The series of each study, in the order of the first of each."""
    found: dict[tuple[str, str], list[SeriesInfo]] = {}
    for one in series:
        found.setdefault((one.patient, one.study_uid), []).append(one)
    return [tuple(study) for study in found.values()]


def all_files(series: Iterable[SeriesInfo]) -> frozenset[Path]:
    """The files of some series, with the copies of them."""
    return frozenset(file for one in series for file in (*one.files, *one.copies))


def _order(series: SeriesInfo) -> tuple[Any, ...]:
    number = float("inf") if series.number is None else series.number
    return series.patient, series.date, series.study_uid, number, series.time, series.series_uid


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _info(key: tuple[str, str, str], gathered: _Gathered) -> SeriesInfo:
    first = gathered.first
    number = _text(first, "SeriesNumber")
    try:
        told = role_of(first, max(len(gathered.normals), 1))
    except Exception:
        told = SeriesRole("other", "its header cannot be understood")
    return SeriesInfo(
        files=tuple(gathered.files),
        patient=key[0],
        study_uid=key[1],
        series_uid=key[2],
        number=int(number) if number.isdecimal() else None,
        description=_text(first, "SeriesDescription"),
        modality=_text(first, "Modality"),
        role=told.role,
        reason=told.reason,
        date=_first_digits(first, ("AcquisitionDate", "StudyDate"), 8),
        time=_first_digits(first, ("AcquisitionTime", "SeriesTime", "StudyTime"), 6),
        images=gathered.images,
        voxel_mm=_voxel(first),
        copies=tuple(gathered.copies),
    )


def _voxel(header: pydicom.Dataset) -> tuple[float, float, float] | None:
    pixel = frame_value(header, 0, "PixelSpacing")
    between = frame_value(header, 0, "SpacingBetweenSlices") or frame_value(header, 0, "SliceThickness")
    try:
        return float(pixel[1]), float(pixel[0]), float(between)
    except (TypeError, ValueError, IndexError):
        return None


def _patient(header: pydicom.Dataset) -> str:
    """Identity with the place that gave it; the name and the day of birth where there is none."""
    number = _text(header, "PatientID")
    words = ("PatientName", "PatientBirthDate") if not number else ("IssuerOfPatientID", "PatientID")
    return "\n".join(_text(header, word) for word in words).strip()


def _text(header: pydicom.Dataset, keyword: str) -> str:
    try:
        value = header.get(keyword)
    except Exception:  # a value that the standard does not allow
        return ""
    return "" if value is None else str(value).strip()


def _first_digits(header: pydicom.Dataset, keywords: tuple[str, ...], count: int) -> str:
    texts = (_text(header, keyword)[:count] for keyword in keywords)
    return next((text for text in texts if len(text) == count and text.isdecimal()), "")
