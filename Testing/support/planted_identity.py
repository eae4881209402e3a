"""A patient's identity planted in every place that DICOM has for one, and the search for it in what was written."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from phantoms.dicom_study import SeriesHeader, Study

UID_ROOT = "1.2.826.0.1.3680043.9.7711."  # all identifiers of the study begin so
# words that stand in no text of the program, by the place that they are planted in
SECRETS = {
    "family name": "Zwiebelmann",
    "given name": "Kunigunde",
    "patient id": "PID-771133",
    "birth date": "19370413",
    "study date": "20230917",
    "earlier date": "20220916",
    "accession number": "ACC-90817",
    "physician": "Eisenbart",
    "operator": "Kurpfuscher",
    "institution": "Klinikum-Hinterwald",
    "station": "STATION-HW3",
    "serial number": "SN-556677",
    "description": "Quarkstrudel",
    "comment": "Oberammergau",
    "private tag": "Hinterhuber",
    "file name": "Rumpelkammer",
    "identifiers": UID_ROOT,
}
_GZIP = b"\x1f\x8b"
_DATES = ("2023-09-17", "17.09.2023", "2022-09-16", "16.09.2022", "1937-04-13", "13.04.1937")


def planted_study(date: str = SECRETS["study date"], *, frame_of_reference: str = "") -> Study:
    """A study of the planted patient."""
    return Study(
        patient=f"{SECRETS['family name']}^{SECRETS['given name']}",
        patient_id=SECRETS["patient id"],
        date=date,
        uid=generate_uid(UID_ROOT),
        frame_of_reference=frame_of_reference or generate_uid(UID_ROOT),
    )


def write_planted(
    folder: Path,
    study: Study,
    header: SeriesHeader,
    number: int,
    data: np.ndarray,
    affine: np.ndarray,
    **settings,
) -> Path:
    """Write a series whose headers, file names and folder tell who the patient is; return its folder."""
    place = (
        folder / f"{SECRETS['family name']} {SECRETS['birth date']}" / f"{SECRETS['description']} {number}"
    )
    named = SeriesHeader(f"{header.description} {SECRETS['description']}", header.settings, header.kind)
    prefix = f"{SECRETS['file name']}-{SECRETS['patient id']}-{number}-"
    return study.write(place, named, number, data, affine, prefix=prefix, edit=_plant, **settings)


def _plant(item: Dataset) -> None:
    """Fill what identifies: patient, study, equipment, comments, nested and private elements."""
    name, physician = f"{SECRETS['family name']}^{SECRETS['given name']}", f"{SECRETS['physician']}^X"
    item.PatientBirthDate, item.AccessionNumber = SECRETS["birth date"], SECRETS["accession number"]
    item.ReferringPhysicianName = item.PerformingPhysicianName = physician
    item.OperatorsName, item.InstitutionName = f"{SECRETS['operator']}^X", SECRETS["institution"]
    item.InstitutionAddress, item.StationName = SECRETS["institution"], SECRETS["station"]
    item.DeviceSerialNumber, item.ManufacturerModelName = (
        SECRETS["serial number"],
        f"Skyra {SECRETS['station']}",
    )
    item.StudyDescription = item.ProtocolName = SECRETS["description"]
    item.ImageComments = item.PatientComments = item.AdditionalPatientHistory = SECRETS["comment"]
    item.OtherPatientIDs, item.OtherPatientNames = SECRETS["patient id"], name
    item.SeriesInstanceUID = UID_ROOT + item.SeriesInstanceUID.rpartition(".")[2][:20]
    item.SOPInstanceUID = item.file_meta.MediaStorageSOPInstanceUID = generate_uid(UID_ROOT)
    item.StudyDate = item.SeriesDate = item.ContentDate = item.AcquisitionDate
    item.AcquisitionDateTime = f"{item.AcquisitionDate}101500"
    nested = Dataset()
    nested.PatientID, nested.PatientName = SECRETS["patient id"], name
    nested.RequestedProcedureDescription = SECRETS["description"]
    item.OtherPatientIDsSequence = item.RequestAttributesSequence = [nested]
    block = item.private_block(0x0029, f"{SECRETS['private tag']} HEADER", create=True)
    block.add_new(0x10, "LO", name)
    block.add_new(0x11, "OB", name.encode())


def leaks(place: Path, private: Collection[str] = ()) -> list[str]:
    """What is told of the planted patient in names and content of all files of a folder, also compressed ones.

    Args:
        private: names of files that may tell it.
    """
    found = []
    for file in sorted(place.rglob("*")):
        if file.name in private:
            continue
        shown = str(file.relative_to(place))
        found += [f"{shown}: {what} in its name" for what in told_in(shown.encode())]
        if file.is_symlink():
            found += [f"{shown}: {what} in its target" for what in told_in(str(file.readlink()).encode())]
        elif file.is_file():
            found += [f"{shown}: {what}" for content in _contents(file) for what in told_in(content)]
    return found


def told_in(content: bytes) -> list[str]:
    """Which secrets stand in some bytes, whatever their case and in 8 or 16 bits."""
    lower = content.lower()
    forms = {what: [secret] for what, secret in SECRETS.items()} | {"date": list(_DATES)}

    def stands(secret: str) -> bool:
        return any(secret.lower().encode(coding) in lower for coding in ("utf-8", "utf-16-le", "utf-16-be"))

    return [what for what, secrets in forms.items() if any(map(stands, secrets))]


def _contents(file: Path) -> Iterator[bytes]:
    content = file.read_bytes()
    yield content
    if content.startswith(_GZIP):
        yield gzip.decompress(content)
    elif zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            for entry in packed.infolist():
                inner = packed.read(entry)
                yield entry.filename.encode()
                yield gzip.decompress(inner) if inner.startswith(_GZIP) else inner
