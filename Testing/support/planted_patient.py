"""Studies of a patient whose name, numbers and day of birth stand wherever a header may hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom

from phantoms.dicom_study import FLAIR, LOCALIZER, Study
from phantoms.phantom import Head

PLANTED = ("Planted", "PL-4711", "19620227", "ACC-4712", "Dr-Referring")


def write_study(folder: Path, head: Head, date: str, *, flair: bool = True, enhanced: bool = False) -> Path:
    """An examination with a localizer of two slices, and a FLAIR, in one file if ``enhanced``."""
    data, affine = np.asarray(head.flair.dataobj).astype(np.int16), head.flair.affine
    study = Study(patient=f"{PLANTED[0]}^Name", patient_id=PLANTED[1], date=date)
    study.write(folder / "one", LOCALIZER, 1, data[:, :, 18:20], affine)
    if flair:
        study.write(folder / "two", FLAIR, 2, data, affine, enhanced=enhanced)
    for file in folder.rglob("*.dcm"):
        _plant(file)
    return folder


def _plant(file: Path) -> None:
    item = pydicom.dcmread(file)
    item.PatientBirthDate, item.AccessionNumber, item.ReferringPhysicianName = PLANTED[2:]
    item.StudyDescription = item.ProtocolName = f"head of {PLANTED[0]}"
    item.private_block(0x0029, "PRIVATE", create=True).add_new(1, "LO", PLANTED[1])
    item.save_as(file)
