"""A patient's identity, planted in every place of DICOM studies, leaves no trace where none may be."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.batch.dicom_studies import STUDIES
from MSLesionSegLib.segmentation.dicom_source import SOURCE
from phantoms.dicom_study import FLAIR, T1, T1_AFTER, T2
from phantoms.phantom import Head
from support.command_calls import call
from support.dicom_segmentations import with_dcmqi
from support.planted_identity import SECRETS, leaks, planted_study, told_in, write_planted


class Place:
    """Where commands run: their temporary folder, and what they said."""

    def __init__(self, temporary: Path) -> None:
        self.temporary, self.said = temporary, ""

    def run(self, *arguments: object, fails: int = 0) -> None:
        self.said += call(*arguments, fails=fails)

    def check(self) -> None:
        """Nothing was said of the patient, and nothing was left."""
        assert told_in(self.said.encode()) == []
        assert list(self.temporary.iterdir()) == []


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    return Place(temporary)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory, head: Head) -> Path:
    """Two studies of the planted patient, in folders and files named after her."""
    folder = tmp_path_factory.mktemp("incoming") / "export"
    voxels = np.asarray(head.flair.dataobj).astype(np.int16)
    for study in (planted_study(SECRETS["earlier date"]), planted_study()):
        for number, header in enumerate((T1, FLAIR, T2, T1_AFTER), start=1):
            write_planted(folder / study.date, study, header, number, voxels, head.flair.affine)
    return folder


def study_of(export: Path) -> Path:
    return export / SECRETS["study date"]


def test_the_search_finds_what_is_planted(export: Path) -> None:
    found = "\n".join(leaks(export))
    missing = [what for what in SECRETS if f": {what}" not in found]
    assert missing == []


def test_a_result_names_nobody_but_in_its_source_file(
    export: Path, models, place: Place, tmp_path: Path
) -> None:
    given = tmp_path / "study"  # the name that a person types may stand in what is said to this person
    given.symlink_to(study_of(export))
    events = ("--model", "tiny", "--device", "cpu", "--events")
    place.run("segment", "flair", "--flair", given, "-o", tmp_path / "out", *events)
    place.run("segment", "flair", "--flair", given, "-o", tmp_path / "out", "--overwrite", *events[:-1])
    place.check()
    assert leaks(tmp_path / "out", private=[SOURCE]) == []
    assert leaks(tmp_path / "out") != []


def test_a_batch_names_nobody_but_in_the_files_that_say_so(
    export: Path, models, place: Place, tmp_path: Path
) -> None:
    place.run("batch", export, "-o", tmp_path / "out", "--model", "tiny", "--device", "cpu", "--events")
    place.check()
    assert leaks(tmp_path / "out", private=[SOURCE, STUDIES]) == []


def test_cases_filed_from_dicom_name_nobody(export: Path, head: Head, place: Place, tmp_path: Path) -> None:
    given, cases = tmp_path / "study", tmp_path / "cases"
    given.symlink_to(study_of(export))
    flair = next(folder for folder in study_of(export).rglob("*") if folder.name.endswith(" 2"))
    mask = with_dcmqi(tmp_path / "mask.dcm", flair, np.asarray(head.lesions.dataobj), head.flair.affine)
    assert told_in(mask.read_bytes()) != []
    place.run("cases", "add", "--cases", cases, "--flair", given, "--mask", mask, "--draft", mask, "--events")
    place.run("cases", "list", "--cases", cases)
    place.run("cases", "check", "--cases", cases, "--events")
    name = next(cases.rglob("*FLAIR.nii.gz")).name.replace("_FLAIR.nii.gz", "_flair")
    place.run("cases", "show", name, "--cases", cases)
    for layout, name in (("zip", "set.zip"), ("nnunet", "Dataset501_MS")):
        place.run(
            "cases", "export", "--cases", cases, "--format", layout, "--to", tmp_path / "exported" / name
        )
    place.check()
    assert leaks(cases) == []
    assert leaks(tmp_path / "exported") == []
    stored = nib.load(next(cases.rglob("*FLAIR.nii.gz")))
    assert np.asarray(stored.dataobj).any()


def test_a_study_that_cannot_be_read_is_refused_without_naming_anybody(
    export: Path, place: Place, tmp_path: Path
) -> None:
    given = tmp_path / "export"
    given.symlink_to(export)
    for wanted in ((), ("--series", "1"), ("--series", "no such")):
        place.run("segment", "flair", "--flair", given, "-o", tmp_path / "out", *wanted, fails=1)
    place.check()
    assert not (tmp_path / "out").exists()
