"""The former study of a patient, asked from the archive."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pydicom

from MSLesionSegLib.imaging.dicom.headers import quiet
from MSLesionSegLib.imaging.dicom.study import list_series
from MSLesionSegLib.pacs.archive import Archive, StudyQuery
from MSLesionSegLib.pacs.files import IncompleteSeries

_MOST_TRIED = 3
_TAGS = ["PatientID", "PatientBirthDate", "StudyDate", "StudyInstanceUID"]


def has_flair(folder: Path) -> bool:
    """Whether a series of a study is a FLAIR."""
    return any(series.role == "FLAIR" for series in list_series(folder))


def fetch_former(archive: Archive, study: Path, folder: Path) -> str:
    """Bring the MR series of the latest earlier study with a FLAIR into ``folder``; its UID, empty if there is none.

    The patient is known by the number in the archive; a study with another day of birth is another patient's. Of the
    earlier days' studies the latest three are looked at; one that the archive does not give whole is passed over.

    Args:
        study: folder of the present study.

    Raises:
        PacsError: the archive fails.
    """
    present = _header(study)
    patient, day = present["PatientID"], present["StudyDate"]
    if not patient or not day:
        return ""
    found = [
        one
        for one in archive.studies(StudyQuery(patient_id=patient, date=f"-{day}"))
        if one.patient_id == patient and one.study != present["StudyInstanceUID"] and "" < one.date < day
    ]
    for one in sorted(found, key=lambda one: one.date, reverse=True)[:_MOST_TRIED]:
        folder.mkdir()
        with contextlib.suppress(IncompleteSeries):
            fetch_series(archive, one.study, "MR", folder)
            if any(folder.iterdir()) and has_flair(folder) and _same_birth(present, _header(folder)):
                return one.study
        shutil.rmtree(folder)
    return ""


def fetch_series(archive: Archive, study: str, modality: str, folder: Path) -> None:
    """Bring the series of one modality of a study, each into a folder of its own.

    Raises:
        IncompleteSeries: the archive does not give all of one; PacsError: it fails.
    """
    for number, series in enumerate(archive.series(study)):
        if series.modality == modality:
            place = folder / str(number)
            place.mkdir()
            archive.fetch(series, place)


def _header(folder: Path) -> dict[str, str]:
    """Some values of a study; empty where they are not given."""
    with quiet():
        header = pydicom.dcmread(next(folder.rglob("*.dcm")), specific_tags=_TAGS, stop_before_pixels=True)
        return {tag: str(header.get(tag) or "").strip() for tag in _TAGS}


def _same_birth(one: dict[str, str], other: dict[str, str]) -> bool:
    days = {one["PatientBirthDate"], other["PatientBirthDate"]} - {""}
    return len(days) < 2
