"""The series of a study are listed with what they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from MSLesionSegLib.cli import app
from MSLesionSegLib.imaging.dicom.role import TITLES
from MSLesionSegLib.imaging.dicom.study import list_series
from phantoms.dicom_files import write_dicom
from phantoms.dicom_study import FLAIR, T1_AFTER, Study, write_examination
from phantoms.scan_files import noise

FEW = noise((36, 40, 4))


def test_all_series_of_an_examination_are_told_apart(tmp_path: Path) -> None:
    write_examination(tmp_path / "study", Study(), FEW)
    (tmp_path / "study" / "README.txt").write_text("no image")
    found = list_series(tmp_path / "study")
    assert [series.number for series in found] == [1, 2, 3, 4, 5, 6]
    assert [series.role for series in found] == [
        *("localizer", "T1w", "FLAIR", "derived", "other", "ce-gadolinium_T1w")
    ]
    assert {series.date for series in found} == {"20240131"}
    assert {series.images for series in found} == {4}
    assert found[2].voxel_mm == (3, 3, 3)
    assert len(found[2].files) == 4


@pytest.mark.parametrize("wanted", [FLAIR, T1_AFTER])
def test_enhanced_images_are_told_apart_alike(tmp_path: Path, wanted) -> None:
    Study().write(tmp_path / "classic", wanted, 3, FEW)
    Study().write(tmp_path / "enhanced", wanted, 3, FEW, enhanced=True)
    roles = {
        series.role: series.images
        for folder in ("classic", "enhanced")
        for series in list_series(tmp_path / folder)
    }
    assert len(roles) == 1
    assert set(roles.values()) == {4}


def test_patients_and_studies_are_told_apart_and_ordered_by_date(tmp_path: Path) -> None:
    for name, date in (("B", "20240601"), ("B", "20230601"), ("A", "20240701")):
        folder = tmp_path / "export" / name / date
        Study(patient_id=name, date=date).write(folder, FLAIR, 3, FEW)
    found = list_series(tmp_path / "export")
    assert [series.date for series in found] == ["20240701", "20230601", "20240601"]
    assert len({series.patient for series in found}) == 2
    assert len({series.study_uid for series in found}) == 3


def test_one_identifier_used_for_series_of_two_patients_makes_two_series(tmp_path: Path) -> None:
    for name in ("A", "B"):

        def edit(item: Dataset, index: int, name: str = name) -> None:
            item.PatientID = name

        write_dicom(tmp_path / name, FEW, series="1.2.3", edit=edit)
    assert len(list_series(tmp_path)) == 2


def test_a_folder_without_images_has_no_series(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("no image")
    assert list_series(tmp_path) == ()


def test_the_command_lists_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    folder = write_examination(tmp_path / "study", Study(), FEW)
    done = CliRunner().invoke(app, ["dicom", "list", str(folder)])
    assert done.exit_code == 0, done.output
    for title in TITLES.values():
        assert title in done.output
    assert "inversion time 1650 ms" in done.output
    assert "Study 1: FLAIR: number 3, the only FLAIR" in done.output
    assert "Study 1: T1 after contrast: number 6" in done.output
    done = CliRunner().invoke(app, ["dicom", "list", str(folder), "--events"])
    (result,) = [event for event in map(json.loads, done.output.splitlines()) if event["event"] == "result"]
    assert [series["role"] for series in result["series"]][2] == "FLAIR"
    assert len(result["series"][2]["files"]) == 4
    assert result["proposed"][0]["FLAIR"] == result["series"][2]["series_uid"]
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(app, ["dicom", "list", str(folder)])
    assert "Why" in done.output and " 20240131 " in done.output
    Study().write(tmp_path / "unnumbered", FLAIR, 1, FEW, edit=lambda item: item.pop("SeriesNumber"))
    done = CliRunner().invoke(app, ["dicom", "list", str(tmp_path / "unnumbered")])
    assert "Study 1: FLAIR: without number, the only FLAIR" in done.output
    done = CliRunner().invoke(app, ["dicom", "list", str(tmp_path / "study/SER00003/0001.dcm")])
    assert done.exit_code == 1 and "Give a folder, a DICOMDIR or a zip file" in done.output
