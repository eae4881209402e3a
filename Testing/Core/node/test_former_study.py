"""The former study is this patient's, earlier, and has a FLAIR; its segmentation is this program's latest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from MSLesionSegLib.imaging.dicom.study import list_series
from MSLesionSegLib.node.former_segmentation import fetch_segmentation
from MSLesionSegLib.node.former_study import fetch_former
from MSLesionSegLib.pacs.connection import connect
from MSLesionSegLib.pacs.dimse import DimseArchive
from MSLesionSegLib.pacs.nodes import DimseNode, Here
from phantoms.dicom_study import FLAIR, T2, SeriesHeader, Study
from support.dicom_segmentations import with_highdicom

ANYBODY = "19700101"


def study(
    folder: Path, date: str, patient: str = "P1", birth: str = ANYBODY, header: SeriesHeader = FLAIR
) -> Path:
    """A study of one series of three slices, and one of another modality."""
    made = Study(patient="Any^Body", patient_id=patient, date=date)
    for number in (1, 2):
        made.write(folder / str(number), header, number, np.zeros((8, 8, 3), np.int16))
    for file in folder.rglob("*.dcm"):
        item = pydicom.dcmread(file)
        item.PatientBirthDate = birth
        item.Modality = "MR" if file.parent.name == "1" else "CT"
        item.save_as(file)
    return folder


@pytest.fixture
def hospital(archive) -> DimseArchive:
    return connect(
        DimseNode(name="hospital", here=Here(), aet="ORTHANC", host="127.0.0.1", port=archive.dicom)
    )


def fill(hospital: DimseArchive, folder: Path) -> None:
    hospital.store(sorted(folder.rglob("*.dcm")), lambda file: None)


def test_the_latest_earlier_one_with_a_flair_is_brought_and_only_its_mr_series(hospital, tmp_path):
    for name, date, header in (
        ("old", "20200101", FLAIR),
        ("former", "20220101", FLAIR),
        ("without", "20230101", T2),
        ("later", "20250101", FLAIR),
    ):
        fill(hospital, study(tmp_path / "there" / name, date, header=header))
    present = study(tmp_path / "present", "20240101")
    fill(hospital, present)
    assert fetch_former(hospital, present, tmp_path / "former")
    (brought,) = list_series(tmp_path / "former")
    assert (brought.date, brought.modality, brought.images) == ("20220101", "MR", 3)


@pytest.mark.parametrize(
    "other",
    [
        {"date": "20220101", "patient": "P12"},
        {"date": "20220101", "birth": "19800101"},
        {"date": "20240101"},
        {"date": "20250101"},
        {"date": "20220101", "header": T2},
    ],
    ids=["another patient", "another day of birth", "the same day", "later", "no FLAIR"],
)
def test_no_other_one_is_taken(hospital, tmp_path, other):
    fill(hospital, study(tmp_path / "there", **other))
    assert not fetch_former(hospital, study(tmp_path / "present", "20240101"), tmp_path / "former")
    assert not (tmp_path / "former").exists()


@pytest.mark.parametrize("missing", [{"patient": ""}, {"date": ""}])
def test_a_study_that_names_no_patient_or_no_day_has_no_former_one(hospital, tmp_path, missing):
    fill(hospital, study(tmp_path / "there", "20220101", patient=missing.get("patient", "P1")))
    present = study(tmp_path / "present", **{"date": "20240101"} | missing)
    assert not fetch_former(hospital, present, tmp_path / "former")


def segmentation(
    file: Path, series: Path, date: str, maker: str = "MSLesionSeg", uid: str | None = None
) -> Path:
    """A segmentation of one lesion on a series of the tiny study, tracked if ``uid`` is given."""
    with_highdicom(file, series, np.pad(np.ones((1, 1, 1), np.uint8), [(2, 5), (2, 5), (1, 1)]))
    item = pydicom.dcmread(file)
    item.Manufacturer, item.ContentDate = maker, date
    if uid is not None:
        item.SegmentSequence[0].TrackingID, item.SegmentSequence[0].TrackingUID = "Lesion 1", uid
    item.save_as(file)
    return file


def test_the_latest_segmentation_of_this_program_that_tracks_its_lesions_is_brought(hospital, tmp_path):
    former = study(tmp_path / "former", "20220101")
    fill(hospital, former)
    assert fetch_segmentation(hospital, former, tmp_path / "nothing there") is None
    flair, other = former / "1", study(tmp_path / "other", "20220101") / "1"
    (tmp_path / "there").mkdir()
    for name, told in {
        "old": ("20230101", "MSLesionSeg", "1.2.1"),
        "latest": ("20230201", "MSLesionSeg", "1.2.2"),
        "another program's": ("20230301", "Other", "1.2.3"),
        "not tracked": ("20230401", "MSLesionSeg", None),
    }.items():
        segmentation(tmp_path / "there" / f"{name}.dcm", flair, *told)
    elsewhere = segmentation(tmp_path / "there" / "elsewhere.dcm", other, "20230501", uid="1.2.5")
    item = pydicom.dcmread(elsewhere)
    item.StudyInstanceUID = list_series(flair)[0].study_uid
    item.save_as(elsewhere)
    fill(hospital, tmp_path / "there")
    brought = fetch_segmentation(hospital, former, tmp_path / "known")
    assert pydicom.dcmread(brought).SegmentSequence[0].TrackingUID == "1.2.2"
