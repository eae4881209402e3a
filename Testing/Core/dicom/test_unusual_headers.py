"""Headers that keep to no rule, and what of them is seen on the terminal."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pydicom
import pytest

from MSLesionSegLib.dicom.export import ExportRequest, export_result, segment_to_dicom
from MSLesionSegLib.dicom.source_series import read_series
from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.segmentation.dicom_source import SOURCE
from MSLesionSegLib.segmentation.request import SegmentRequest
from support.dicom_tools import errors_in
from support.recorder import Recorder


def test_unusual_headers_are_written_and_nobody_is_named_on_the_terminal(result, tmp_path):
    """A name without parts, a sex and a time that the standard does not know, Japanese letters."""
    scan = shutil.copytree(result.folder.with_name("scan"), tmp_path / "scan")
    with pydicom.config.disable_value_validation():
        for file in scan.iterdir():
            item = pydicom.dcmread(file)
            item.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
            item.PatientName, item.PatientSex, item.StudyTime = "Yamada=山田", "U", "10:15:00"
            item.save_as(file)
    plain = shutil.copytree(result.folder, tmp_path / "out")
    (plain / SOURCE).unlink()  # as of a file that was converted from the series
    command = [sys.executable, "-m", "MSLesionSegLib", "dicom", "export", plain, "--source", f"flair={scan}"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Yamada" not in done.stdout + done.stderr and "山田" not in done.stdout + done.stderr
    made = pydicom.dcmread(plain / "dicom" / "segmentation.dcm")
    assert str(made.PatientName) == "Yamada=山田" and not made.PatientSex and not made.StudyTime
    assert errors_in(plain / "dicom" / "segmentation.dcm") == []


def test_old_dates_letters_and_several_names_are_written_as_the_standard_asks(result, tmp_path):
    scan = shutil.copytree(result.folder.with_name("scan"), tmp_path / "scan")
    with pydicom.config.disable_value_validation():
        for file in scan.iterdir():
            item = pydicom.dcmread(file)
            item.PatientName, item.ReferringPhysicianName = ["Doe^Jane", "Roe^Jane"], ["House^G", "Cuddy^L"]
            item.PatientBirthDate, item.StudyDate = "19620229", "2024.01.05"  # 1962 was no leap year
            item.SpecificCharacterSet = "ISO_IR 6"
            item.save_as(file)
    plain = shutil.copytree(result.folder, tmp_path / "out")
    (plain / SOURCE).unlink()
    export_result(ExportRequest(plain, sources={"flair": scan}), Silent())
    for file in (plain / "dicom").glob("*.dcm"):
        made = pydicom.dcmread(file)
        assert (made.PatientName, made.StudyDate, made.PatientBirthDate) == ("Doe^Jane", "20240105", "")
        assert errors_in(file) == []


def test_what_is_too_long_for_dicom_is_shortened_or_left_empty_and_that_is_told(result, tmp_path):
    scan = shutil.copytree(result.folder.with_name("scan"), tmp_path / "scan")
    with pydicom.config.disable_value_validation():
        for file in scan.iterdir():
            item = pydicom.dcmread(file)
            item.PatientName, item.AccessionNumber, item.StudyID = "Doe" * 30, "A" * 17, "7" * 20
            item.StudyDescription, item.PatientAge, item.PatientWeight = "head " * 20, "43", "70." + "1" * 20
            item.save_as(file)
    plain = shutil.copytree(result.folder, tmp_path / "out")
    (plain / SOURCE).unlink()
    told = Recorder()
    export_result(ExportRequest(plain, sources={"flair": scan}, key_images=True), told)
    (sentence,) = told.sentences
    assert "PatientName, StudyDescription shortened and AccessionNumber, PatientAge, " in sentence
    for file in (plain / "dicom").glob("*.dcm"):
        made = pydicom.dcmread(file)
        assert made.PatientName == ("Doe" * 30)[:64]
        assert (made.AccessionNumber, made.StudyID, made.PatientID) == ("", "", "MRN-0815")
        assert errors_in(file) == []


@pytest.mark.parametrize("word", ["PatientID", "StudyInstanceUID"])
def test_a_patient_or_study_that_cannot_be_named_the_same_way_is_refused(result, tmp_path, word):
    scan = shutil.copytree(result.folder.with_name("scan"), tmp_path / "scan")
    with pydicom.config.disable_value_validation():
        for file in scan.iterdir():
            item = pydicom.dcmread(file)
            setattr(item, word, "1." * 32 + "1")
            item.save_as(file)
    with pytest.raises(ImageError, match=f"{word} of more than 64 characters"):
        read_series(sorted(scan.iterdir()))
    request = SegmentRequest("flair", {"flair": scan}, tmp_path / "out", model="not even looked for")
    with pytest.raises(ImageError, match=f"{word} of more than 64 characters"):
        segment_to_dicom(request, Silent())


def test_a_series_that_nothing_can_refer_to_is_refused(result, tmp_path):
    scan = shutil.copytree(result.folder.with_name("scan"), tmp_path / "scan")
    for file in scan.iterdir():
        item = pydicom.dcmread(file)
        del item.StudyInstanceUID
        item.save_as(file)
    with pytest.raises(ImageError, match="has no StudyInstanceUID"):
        read_series(sorted(scan.iterdir()))
