"""The series of a study, or of an export of many patients, with what each of them is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from MSLesionSegLib.imaging.dicom.frames import frame_value
from MSLesionSegLib.imaging.dicom.headers import quiet, read_header
from MSLesionSegLib.imaging.dicom.role import Role, role_of

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


def list_series(folder: Path) -> tuple[SeriesInfo, ...]:
    """All series of images in a folder and the folders within, by patient, date, study and number; may be none.

    What is no DICOM image is passed over, and so are hidden files and links to folders.
    """
    found: dict[tuple[str, str, str], dict[Path, pydicom.Dataset]] = {}
    with quiet():
        for path in _files(folder):
            header = read_header(path)
            if header is not None and header.get("Rows") and header.get("Columns"):
                key = (
                    _patient(header),
                    _text(header, "StudyInstanceUID"),
                    _text(header, "SeriesInstanceUID"),
                )
                found.setdefault(key, {})[path] = header
        series = [_info(key, headers) for key, headers in found.items()]
    return tuple(sorted(series, key=_order))


def _order(series: SeriesInfo) -> tuple[Any, ...]:
    number = float("inf") if series.number is None else series.number
    return series.patient, series.date, series.study_uid, number, series.time, series.series_uid


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _info(key: tuple[str, str, str], headers: dict[Path, pydicom.Dataset]) -> SeriesInfo:
    first = next(iter(headers.values()))
    number = _text(first, "SeriesNumber")
    told = role_of(first, _planes(list(headers.values())))
    return SeriesInfo(
        files=tuple(headers),
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
        images=sum(int(header.get("NumberOfFrames") or 1) for header in headers.values()),
        voxel_mm=_voxel(first),
    )


def _planes(headers: list[pydicom.Dataset]) -> int:
    """How many planes the images of single slices lie in."""
    normals: list[np.ndarray] = []
    for header in headers:
        axes = frame_value(header, 0, "ImageOrientationPatient")
        try:
            normal = np.cross(*np.array(axes, float).reshape(2, 3))
        except (TypeError, ValueError):
            continue
        if not any(abs(normal @ other) > _SAME_PLANE for other in normals):
            normals.append(normal)
    return max(len(normals), 1)


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
