"""What goes into an archive comes out of it, whichever way it is spoken to."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from support.command_calls import call, events

pytestmark = pytest.mark.usefixtures("archive")
WAYS = ("get", "move", "web")


def contents(folder: Path) -> dict[str, pydicom.Dataset]:
    files = [pydicom.dcmread(file) for file in folder.rglob("*.dcm")]
    return {str(file.SOPInstanceUID): file for file in files}


@pytest.mark.parametrize("way", ["get", "web"])
def test_an_archive_answers(way, config):
    assert call("pacs", "echo", way, "--config", config).endswith(f"{way} answers.\n")


@pytest.mark.parametrize(("there", "back"), [("get", "get"), ("get", "move"), ("web", "web")])
def test_a_study_comes_back_as_it_was_sent(there, back, config, study, tmp_path):
    options = ["--config", config]
    assert events("pacs", "send", there, study, *options)[-1]["files"] == 6
    (found,) = events("pacs", "find", back, "--patient", "ID-4711", "--date", "20240101-", *options)[-1][
        "studies"
    ]
    assert found == {
        "study": found["study"],
        "patient_id": "ID-4711",
        "patient_name": "Müller^Secret",
        "date": "20240305",
        "description": "head",
        "modalities": "MR",
    }
    result = events("pacs", "get", back, found["study"], "-o", tmp_path / "out", *options)[-1]
    assert result["files"] == 6
    before, after = contents(study), contents(tmp_path / "out")
    assert before == after
    assert all(before[uid].PixelData == after[uid].PixelData for uid in before)
    assert {uid: file.file_meta.TransferSyntaxUID for uid, file in before.items()} == {
        uid: file.file_meta.TransferSyntaxUID for uid, file in after.items()
    }


def test_each_series_lies_in_a_folder_of_its_own_and_one_can_be_chosen(config, study, tmp_path):
    call("pacs", "send", "get", study, "--config", config)
    (found,) = events("pacs", "find", "get", "--config", config)[-1]["studies"]
    listed = events("pacs", "find", "web", "--study", found["study"], "--config", config)[-1]["series"]
    assert [(one["number"], one["modality"], one["instances"]) for one in listed] == [
        ("", "MR", "1"),
        ("3", "MR", "5"),
    ]
    wanted = listed[1]["series"]
    call("pacs", "get", "get", found["study"], "--series", wanted, "-o", tmp_path / "out", "--config", config)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [wanted]
    assert len(contents(tmp_path / "out")) == 5


@pytest.mark.parametrize("way", ["get", "web"])
def test_what_is_sent_twice_is_there_once(way, config, study, archive):
    for _ in range(2):
        call("pacs", "send", way, study, "--config", config)
    assert len(archive.instances()) == 6


@pytest.mark.parametrize("way", WAYS)
def test_a_study_that_is_not_there_leaves_nothing(way, config, tmp_path):
    said = call("pacs", "get", way, "1.2.3", "-o", tmp_path / "out", "--config", config, fails=1)
    assert "no such study" in said
    assert not (tmp_path / "out").exists()


def test_a_search_lists_what_a_person_needs_to_choose(config, study):
    call("pacs", "send", "get", study, "--config", config)
    lines = call("pacs", "find", "get", "--config", config).splitlines()
    uid = next(iter(contents(study).values())).StudyInstanceUID
    assert lines[-1].strip() == uid
    assert "date 20240305" in lines[-2] and "patient id ID-4711" in lines[-2]
    assert "Nothing was found" in call("pacs", "find", "get", "--patient", "nobody", "--config", config)
