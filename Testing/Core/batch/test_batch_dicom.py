"""A tree of DICOM studies in; results under numbers and one table out, and whose they are in one file alone."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from MSLesionSegLib.batch.batch import BatchRequest, run_batch
from MSLesionSegLib.batch.dicom_studies import STUDIES, dicom_studies
from MSLesionSegLib.batch.tables import EXAMINATIONS
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.tasks import get_task
from phantoms.dicom_study import EXAMINATION, FLAIR, T1, T2, Study
from phantoms.phantom import Head
from phantoms.scan_files import noise

FEW = noise((36, 40, 16))


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def found(export: Path, task: str, output: Path, **choice) -> dict[str, tuple[dict[str, str], str]]:
    """Series numbers by input, and the problem, by name of the examination."""
    with dicom_studies(export, get_task(task), output, **choice) as studies:
        output.mkdir(exist_ok=True)
        studies.write_table(output)
        return {
            exam.name: ({name: path.name for name, path in exam.inputs.items()}, exam.problem)
            for exam in studies.examinations
        }


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Three visits of one patient, all series of a visit in one folder; another patient without FLAIR."""
    folder = tmp_path / "export"
    for date in ("20240301", "20220301", "20230301"):
        visit = Study(date=date)
        for number, header in enumerate(EXAMINATION, start=1):
            visit.write(folder / date, header, number, FEW, prefix=f"{number}-")
    Study(patient_id="another").write(folder / "spine", T2, 1, FEW)
    (folder / "README.txt").write_text("no image")
    return folder


def test_every_study_is_an_examination_under_a_number(export: Path, tmp_path: Path) -> None:
    exams = found(export, "flair", tmp_path / "out")
    inputs, problem = exams.pop("sub-001 ses-01")
    assert not inputs
    assert problem.startswith("Among the series of the study (number 1: other) none is known as a FLAIR")
    assert exams == {f"sub-002 ses-0{n}": ({"flair": "series 3"}, "") for n in (1, 2, 3)}
    told = table(tmp_path / "out" / STUDIES)
    assert [row["study_date"] for row in told if row["participant_id"] == "sub-002"] == [
        *("20220301", "20230301", "20240301")
    ]
    assert (tmp_path / "out" / STUDIES).stat().st_mode & 0o077 == 0


def test_numbers_stay_when_studies_come_in_between(export: Path, tmp_path: Path) -> None:
    found(export, "flair", tmp_path / "out")
    first = {row["study_instance_uid"]: row["session_id"] for row in table(tmp_path / "out" / STUDIES)}
    Study(date="20210101").write(export / "earlier", FLAIR, 3, FEW)
    Study(date="20210101", patient_id="aaa").write(export / "new", FLAIR, 3, FEW)
    exams = found(export, "flair", tmp_path / "out")
    assert "sub-002 ses-04" in exams and "sub-003 ses-01" in exams
    now = {row["study_instance_uid"]: row["session_id"] for row in table(tmp_path / "out" / STUDIES)}
    assert first.items() <= now.items()


def test_visits_are_compared_in_the_order_of_their_dates(export: Path, tmp_path: Path) -> None:
    Study(date="20210101").write(export / "earlier", T1, 3, FEW)
    with dicom_studies(export, get_task("new"), tmp_path) as studies:
        pairs = [
            (exam.baseline, exam.session, exam.problem) for exam in studies.examinations if exam.baseline
        ]
        assert pairs == [("ses-02", "ses-03", ""), ("ses-03", "ses-04", "")]
        assert all(read_scan(exam.inputs["baseline"]) for exam in studies.examinations if exam.baseline)
    shutil.rmtree(export / "20240301")
    Study(date="20230301").write(export / "same day", FLAIR, 3, FEW)
    exams = found(export, "new", tmp_path / "out")
    assert all(
        "which came first" in problem.lower() for _, problem in exams.values() if "one date" in problem
    )
    assert not any(inputs for inputs, _ in exams.values())


def test_before_and_after_contrast_of_each_study_are_told_apart(export: Path, tmp_path: Path) -> None:
    exams = found(export, "enhancing", tmp_path / "out")
    assert exams["sub-002 ses-01"] == ({"pre": "series 2", "post": "series 6", "flair": "series 3"}, "")
    assert "none is known as a T1" in exams["sub-001 ses-01"][1]


def test_series_and_participants_can_be_chosen(export: Path, tmp_path: Path) -> None:
    exams = found(export, "flair", tmp_path / "out", series=["t2_tse_tra"], participants=["002"])
    assert exams == {f"sub-002 ses-0{n}": ({"flair": "series 5"}, "") for n in (1, 2, 3)}
    with pytest.raises(SettingsError, match="no participant 009"):
        found(export, "flair", tmp_path / "out", participants=["009"])


def test_a_batch_over_dicom_studies_names_nobody_but_in_two_files(head: Head, models, tmp_path: Path) -> None:
    voxels = np.asarray(head.flair.dataobj).astype(np.int16)
    for date in ("20230301", "20240301"):
        visit = Study(date=date)
        for number, header in ((1, T2), (2, FLAIR)):
            visit.write(
                tmp_path / "Secret^Name", header, number, voxels, head.flair.affine, prefix=f"{date}{number}"
            )
    settings = SegmentRequest("flair", {}, tmp_path / "out", model="tiny", device="cpu")
    request = BatchRequest(tmp_path / "Secret^Name", tmp_path / "out", settings, threads=1)
    run_batch(request, Silent())
    rows = table(tmp_path / "out" / EXAMINATIONS)
    assert [(row["participant_id"], row["session_id"], row["status"]) for row in rows] == [
        ("sub-001", "ses-01", "done"),
        ("sub-001", "ses-02", "done"),
    ]
    folder = tmp_path / "out/sub-001/ses-02/anat"
    assert (folder / "sub-001_ses-02_label-lesion_mask.nii.gz").is_file()
    told = [finding["sentence"] for finding in json.loads((folder / "result.json").read_text())["findings"]]
    assert told[0].startswith("The FLAIR is the series number 2: the only FLAIR")
    private = {STUDIES, "dicom_source.json"}
    for file in (tmp_path / "out").rglob("*"):
        if file.is_file() and file.name not in private:
            content = file.read_bytes()
            assert not any(word in content for word in (b"ecret", b"2023", visit.uid.encode())), file
    times = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("result.json")}
    for dicom in (False, True):
        run_batch(replace(request, skip_finished=True, dicom=dicom), Silent())
        assert times == {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("result.json")}
        assert (folder / "dicom").exists() == dicom
    written = pydicom.dcmread(folder / "dicom" / "segmentation.dcm")
    assert written.StudyInstanceUID == visit.uid and written.StudyDate == "20240301"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
