"""What an archive can be asked, whichever way it speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydicom import Dataset
from pydicom.multival import MultiValue


@dataclass(frozen=True, kw_only=True)
class StudyQuery:
    """Which studies are looked for; empty texts match all.

    Attributes:
        patient_id: as the archive knows the patient.
        study: StudyInstanceUID.
        date: YYYYMMDD, or a range such as ``20240101-``.
        modality: of a series that the study has.
    """

    patient_id: str = ""
    study: str = ""
    date: str = ""
    modality: str = ""

    @property
    def matching(self) -> dict[str, str]:
        """Values by DICOM keyword."""
        return {
            "PatientID": self.patient_id,
            "StudyInstanceUID": self.study,
            "StudyDate": self.date,
            "ModalitiesInStudy": self.modality,
        }


@dataclass(frozen=True, kw_only=True)
class StudyEntry:
    """A study as an archive lists it."""

    study: str
    patient_id: str
    patient_name: str
    date: str
    description: str
    modalities: str

    KEYWORDS: ClassVar[dict[str, str]] = {
        "study": "StudyInstanceUID",
        "patient_id": "PatientID",
        "patient_name": "PatientName",
        "date": "StudyDate",
        "description": "StudyDescription",
        "modalities": "ModalitiesInStudy",
    }

    @classmethod
    def of(cls, found: Dataset) -> StudyEntry:
        """From what an archive answers."""
        return cls(**{field: _text(found.get(keyword)) for field, keyword in cls.KEYWORDS.items()})


@dataclass(frozen=True, kw_only=True)
class SeriesEntry:
    """A series as an archive lists it; ``instances`` is empty where the archive does not count."""

    study: str
    series: str
    number: str
    modality: str
    description: str
    instances: str

    KEYWORDS: ClassVar[dict[str, str]] = {
        "series": "SeriesInstanceUID",
        "number": "SeriesNumber",
        "modality": "Modality",
        "description": "SeriesDescription",
        "instances": "NumberOfSeriesRelatedInstances",
    }

    @classmethod
    def of(cls, study: str, found: Dataset) -> SeriesEntry:
        """From what an archive answers about a study."""
        return cls(
            study=study, **{field: _text(found.get(keyword)) for field, keyword in cls.KEYWORDS.items()}
        )


class Archive(Protocol):
    """An archive of images. What goes wrong on the way is a :class:`~MSLesionSegLib.errors.PacsError`."""

    def echo(self) -> None:
        """Ask whether it answers, and this computer may ask it."""

    def studies(self, query: StudyQuery) -> list[StudyEntry]:
        """Studies that match, in no order."""

    def series(self, study: str) -> list[SeriesEntry]:
        """The series of a study, in no order."""

    def fetch(self, series: SeriesEntry, folder: Path) -> int:
        """Bring all files of a series into an existing folder, each named by its SOPInstanceUID; how many came."""

    def store(self, files: Iterable[Path], stored: Callable[[Path], None]) -> None:
        """Send files; ``stored`` is called for each one that the archive has taken, before the next goes out."""


def _text(value: Any) -> str:
    return (
        ", ".join(map(str, value)) if isinstance(value, MultiValue) else str("" if value is None else value)
    )
