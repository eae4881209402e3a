"""Replay buffers: brains of earlier hospitals, small, portable, checked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from MSLesionSegLib.cases.adding import AddRequest, add_case
from MSLesionSegLib.errors import OutputError, SettingsError
from MSLesionSegLib.training.examples import replay_buffer
from MSLesionSegLib.training.examples.example import write_example
from MSLesionSegLib.training.examples.replay_buffer import (
    export_buffer,
    find_buffer,
    import_buffer,
    list_buffers,
    make_buffer,
    read_buffer,
    replay_examples,
)
from phantoms.case_fixtures import add_flair, examination, repacked, save_like
from support.command_calls import call, events


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A user without buffers."""
    monkeypatch.setenv("MSLESIONSEG_REPLAY", str(tmp_path / "replay"))
    return tmp_path / "replay"


@pytest.fixture
def cases(tmp_path) -> Path:
    """Two training cases, the second with a correction of its draft, and one for validation."""
    folder = tmp_path / "set"
    add_flair(folder, tmp_path / "in", 1, split="training", site="north")
    flair, mask, head = examination(tmp_path / "in", 2)
    draft = save_like(head.flair, np.zeros(head.flair.shape), tmp_path / "draft.nii.gz")
    add_case(AddRequest(folder, "flair", {"flair": flair}, mask, draft=draft, split="training"))
    add_flair(folder, tmp_path / "in", 3, split="validation")
    return folder


def test_a_buffer_holds_brains_of_training_cases_only(cases, home):
    made = make_buffer(cases, "north-2")
    assert made == find_buffer("north-2") == list_buffers()[0]
    assert (made.task, made.sites, made.folder) == ("flair", {"north": 2}, home / "north-2")
    for example in made.examples():
        image, brain = example.array("image"), example.array("brain")
        assert not image[:, brain == 0].any()
        assert abs(float(image[0][brain > 0].mean())) < 0.3
        assert example.array("label").any()
    from MSLesionSegLib.cases.case_set import read_cases

    (measured,) = read_cases(cases).validation
    assert not any(measured.subject in example.name for example in made.examples())


def test_no_site_gives_more_than_its_share(cases, monkeypatch):
    monkeypatch.setattr(replay_buffer, "MOST_EXAMPLES", 1)
    first = make_buffer(cases, "one")
    assert first.sites == {"north": 1}
    assert make_buffer(cases, "again").sha256 == first.sha256


def test_a_buffer_comes_back_from_a_zip_file_within_a_twentieth_of_a_deviation(cases, tmp_path):
    made = make_buffer(cases, "north")
    export_buffer("north", tmp_path / "north.zip")
    back = import_buffer(tmp_path / "north.zip", "copy")
    assert (back.task, back.sites) == (made.task, made.sites)
    for one, other in zip(made.examples(), back.examples(), strict=True):
        assert (one.name, one.site, one.weight) == (other.name, other.site, other.weight)
        for name in ("label", "brain", "lesion_index", "focus_index", "brain_index"):
            np.testing.assert_array_equal(one.array(name), other.array(name))
        difference = np.abs(one.array("image").astype(float) - other.array("image"))
        assert difference.max() < 0.06
    assert any(len(example.array("focus_index")) for example in back.examples())
    export_buffer("copy", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "north.zip").read_bytes()


def test_an_example_of_two_channels_with_bright_vessels_survives(tmp_path, home):
    rng = np.random.default_rng(0)
    brain = np.zeros((12, 14, 10), bool)
    brain[2:10, 3:12, 1:9] = True
    image = rng.normal(0, 1, (2, *brain.shape)) * brain
    image[1, 5, 5, 5] = 19.0
    label = np.zeros(brain.shape)
    label[4:6, 5:7, 3:5] = 0.4
    example = write_example(tmp_path / "x" / "case", image, label, brain, site="north", weight=0.5)
    (tmp_path / "x" / "replay.json").write_text(
        json.dumps({"Task": "enhancing", "Examples": {"case": example.sha256}})
    )
    export_buffer(f"{tmp_path}/x", tmp_path / "x.zip")
    (back,) = import_buffer(tmp_path / "x.zip").examples()
    expected = np.clip(image, -12.7, 12.7)
    np.testing.assert_allclose(back.array("image").astype(float), expected, atol=0.06)
    np.testing.assert_array_equal(back.array("label"), example.array("label"))
    assert back.weight == 0.5


def too_many(entries, manifest):
    entries.update({f"{name}2/{file}": content for name, file, content in parts(entries)})
    manifest["files"].update(
        {name: manifest["files"][name.replace("2/", "/")] for name in entries if "2/" in name}
    )


def parts(entries):
    return [(*name.split("/"), content) for name, content in entries.items()]


def no_task(entries, manifest):
    manifest["task"] = "brain"


def cases_instead(entries, manifest):
    manifest["kind"] = "training cases"


def forged(entries, manifest):
    """Other content with fitting hashes."""
    import hashlib

    name = next(name for name in entries if name.endswith("image.npy"))
    entries[name] = entries[name.replace("image", "label")]
    manifest["files"][name] = {
        "bytes": len(entries[name]),
        "sha256": hashlib.sha256(entries[name]).hexdigest(),
    }


@pytest.mark.parametrize("change", [no_task, cases_instead, forged, too_many])
def test_a_buffer_that_is_not_as_it_should_be_is_refused(cases, tmp_path, home, monkeypatch, change):
    make_buffer(cases, "north")
    export_buffer("north", tmp_path / "north.zip")
    monkeypatch.setattr(replay_buffer, "MOST_EXAMPLES", 2)
    with pytest.raises(SettingsError):
        import_buffer(repacked(tmp_path / "north.zip", change), "theirs")
    assert [path.name for path in home.iterdir()] == ["north"]


def test_names_are_codes_and_nothing_is_overwritten(cases, tmp_path, home):
    make_buffer(cases, "north")
    with pytest.raises(SettingsError, match="already"):
        make_buffer(cases, "north")
    with pytest.raises(SettingsError, match="at most 32 letters"):
        make_buffer(cases, "../north")
    with pytest.raises(SettingsError, match="north"):
        find_buffer("south")
    (tmp_path / "north.zip").write_bytes(b"")
    with pytest.raises(OutputError, match="exists already"):
        export_buffer("north", tmp_path / "north.zip")
    (home / "north" / "replay.json").write_text('{"Task": "flair", "Examples": {}}')
    with pytest.raises(SettingsError, match="damaged"):
        read_buffer(home / "north")
    assert list_buffers() == []


def test_training_gets_the_examples_of_other_sites_once(cases, tmp_path):
    make_buffer(cases, "north")
    make_buffer(cases, "twice")
    assert len(replay_examples("flair")) == 2
    assert replay_examples("flair", other_than=["north"]) == ()
    assert replay_examples("new") == ()
    assert len(replay_examples("flair", ["north"])) == 2
    with pytest.raises(SettingsError, match="for the task 'flair'"):
        replay_examples("new", ["north"])


def test_buffers_are_made_listed_exported_and_imported_by_command(cases, tmp_path):
    made = events("replay", "make", "--cases", cases, "north")[-1]
    assert made["event"] == "result" and made["sites"] == {"north": 2}
    assert [b["buffer"] for b in events("replay", "list")[-1]["buffers"]] == ["north"]
    assert "north 2" in call("replay", "list", "--task", "flair")
    call("replay", "export", "north", "--to", tmp_path / "out.zip")
    assert "there (flair): north 2" in call("replay", "import", tmp_path / "out.zip", "--name", "there")
    error = events("replay", "import", tmp_path / "out.zip", "--name", "there", fails=1)[-1]
    assert "already" in error["sentence"]


def test_a_folder_of_buffers_that_cannot_be_written_is_called_so(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MSLESIONSEG_REPLAY", str(tmp_path / "file" / "buffers"))
    with pytest.raises(OutputError, match=r"cannot be written .*set MSLESIONSEG_REPLAY to a folder"):
        import_buffer(next(replay_buffer.SHIPPED.glob("*.zip")))


def test_what_is_shipped_protects_the_first_training(tmp_path, monkeypatch):
    """The real archive: synthetic patients, small on the disk, for the task of the default model."""
    monkeypatch.delenv("MSLESIONSEG_REPLAY")
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    archives = list(replay_buffer.SHIPPED.glob("*.zip"))
    assert sum(archive.stat().st_size for archive in archives) < 3_000_000
    (buffer,) = list_buffers("flair")
    assert buffer.folder == tmp_path / "data" / "Replay" / "synthetic-flair" and buffer.sites == {
        "synthetic": 4
    }
    for example in buffer.examples():
        assert example.array("image").shape[0] == 1
        lesion = example.array("label") > 127
        assert 0 < lesion.mean() < 0.05
        flair = example.array("image")[0]
        assert flair[lesion].mean() > flair[example.array("brain") > 0].mean() + 0.5
    stamp = (buffer.folder / "replay.json").stat().st_mtime_ns
    assert list_buffers()[0].sha256 == buffer.sha256
    assert (buffer.folder / "replay.json").stat().st_mtime_ns == stamp
