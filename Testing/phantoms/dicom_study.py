"""Studies as scanners send them: localizer, FLAIR, T1 before and after contrast, and what else there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from phantoms.dicom_files import write_dicom, write_frames
from phantoms.scan_files import AFFINE

_PRIMARY = ["ORIGINAL", "PRIMARY", "M", "ND"]


@dataclass(frozen=True)
class SeriesHeader:
    """What the header of a series tells about how it was made."""

    description: str
    settings: dict[str, Any]
    kind: list[str] = field(default_factory=lambda: list(_PRIMARY))


LOCALIZER = SeriesHeader(
    "localizer", {"EchoTime": 5, "RepetitionTime": 20}, ["ORIGINAL", "PRIMARY", "LOCALIZER"]
)
FLAIR = SeriesHeader("t2_spc_da-fl_sag", {"EchoTime": 388, "RepetitionTime": 5000, "InversionTime": 1650})
T1 = SeriesHeader("t1_mprage_sag", {"EchoTime": 2.9, "RepetitionTime": 1900, "InversionTime": 900})
T1_AFTER = SeriesHeader("t1_mprage_sag_KM", T1.settings | {"ContrastBolusAgent": "Gadovist"})
T2 = SeriesHeader("t2_tse_tra", {"EchoTime": 100, "RepetitionTime": 4500})
REFORMATTED = SeriesHeader("da-fl_tra_mpr", FLAIR.settings, ["DERIVED", "SECONDARY", "MPR"])
EXAMINATION = (LOCALIZER, T1, FLAIR, REFORMATTED, T2, T1_AFTER)


@dataclass(frozen=True)
class Study:
    """One examination: whose, when, under which identifiers."""

    patient: str = "Secret^Name"
    patient_id: str = "secret-4711"
    date: str = "20240131"
    uid: str = field(default_factory=generate_uid)
    frame_of_reference: str = field(default_factory=generate_uid)

    def write(
        self,
        folder: Path,
        header: SeriesHeader,
        number: int,
        data: np.ndarray,
        affine: np.ndarray = AFFINE,
        *,
        enhanced: bool = False,
        prefix: str = "",
        edit: Callable[[Dataset], None] = lambda item: None,
    ) -> Path:
        """Write one series into a folder; return the folder. ``edit`` changes each file before it is written."""
        folder.mkdir(parents=True, exist_ok=True)
        series = generate_uid()

        def describe(item: Dataset, index: int = 0) -> None:
            item.StudyInstanceUID, item.FrameOfReferenceUID = self.uid, self.frame_of_reference
            item.PatientName, item.PatientID, item.StudyDate = self.patient, self.patient_id, self.date
            item.PatientBirthDate, item.PatientSex, item.StudyTime, item.StudyID = (
                "19800229",
                "F",
                "080000",
                "1",
            )
            item.AccessionNumber, item.ReferringPhysicianName = "secret-acc-1", "Referrer^Secret"
            item.AcquisitionDate, item.AcquisitionTime = self.date, f"{8 + number:02d}0000"
            item.SeriesNumber, item.SeriesDescription, item.ImageType = (
                number,
                header.description,
                header.kind,
            )
            item.ManufacturerModelName, item.Manufacturer = "Synthetic", "SIEMENS"
            item.MagneticFieldStrength, item.FlipAngle = 3, 120
            if enhanced:
                _set_enhanced(item, header.settings)
            else:
                for keyword, value in header.settings.items():
                    setattr(item, keyword, value)
            edit(item)

        if enhanced:
            return write_frames(
                folder, data, affine, series=series, name=f"{prefix}{number:03d}", edit=describe
            )
        return write_dicom(folder, data, affine, number=number, series=series, prefix=prefix, edit=describe)


def write_examination(folder: Path, study: Study, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    """Write all series of :data:`EXAMINATION`, each into a folder of its own, all with the same voxels."""
    for number, header in enumerate(EXAMINATION, start=1):
        study.write(folder / f"SER{number:05d}", header, number, data, affine)
    return folder


def _set_enhanced(item: Dataset, settings: dict[str, Any]) -> None:
    """Settings where enhanced MR images have them (DICOM PS3.3, C.8.13)."""
    shared = item.SharedFunctionalGroupsSequence[0]
    timing, modifier, echo = Dataset(), Dataset(), Dataset()
    timing.RepetitionTime, timing.FlipAngle = settings["RepetitionTime"], 120
    echo.EffectiveEchoTime = float(settings["EchoTime"])
    modifier.InversionRecovery = "YES" if "InversionTime" in settings else "NO"
    if "InversionTime" in settings:
        modifier.InversionTimes = [float(settings["InversionTime"])]
    shared.MRTimingAndRelatedParametersSequence = [timing]
    shared.MRModifierSequence, shared.MREchoSequence = [modifier], [echo]
    if "ContrastBolusAgent" in settings:
        agent, usage = Dataset(), Dataset()
        agent.CodeValue, agent.CodingSchemeDesignator, agent.CodeMeaning = "C-B03D5", "SRT", "Gadobutrol"
        item.ContrastBolusAgentSequence = [agent]
        usage.ContrastBolusAgentAdministered = "YES"
        shared.ContrastBolusUsageSequence = [usage]
