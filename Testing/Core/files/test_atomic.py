"""Files and folders are whole or not there, and one process at a time holds a lock."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.files import atomic
from MSLesionSegLib.files.atomic import atomic_file, atomic_folder, output_errors, recover, write_text
from MSLesionSegLib.files.checksums import json_sha256
from MSLesionSegLib.files.file_names import MOST_BYTES
from MSLesionSegLib.files.lock import lock


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(folder: Path, text: str, **options) -> None:
    with atomic_folder(folder, **options) as work:
        (work / "a.txt").write_text(text)


def test_a_file_is_replaced_as_a_whole_and_its_folder_is_made(tmp_path):
    file = tmp_path / "deep" / "er" / "mask.nii.gz"
    write_text(file, "old")
    with atomic_file(file) as partial:
        assert partial.parent == file.parent and partial.name.endswith("mask.nii.gz")
        partial.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new" and names(file.parent) == ["mask.nii.gz"]


def test_a_file_whose_writing_fails_stays_as_it_was(tmp_path):
    write_text(tmp_path / "a.json", "old")
    with pytest.raises(ZeroDivisionError), atomic_file(tmp_path / "a.json") as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "a.json").read_text() == "old" and names(tmp_path) == ["a.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no permission bits")
def test_files_and_folders_get_the_permissions_that_any_program_gives(tmp_path):
    (tmp_path / "usual.txt").touch()
    (tmp_path / "usual").mkdir()
    write_text(tmp_path / "a.txt", "")
    fill(tmp_path / "a", "")
    for ours, usual in (("a.txt", "usual.txt"), ("a", "usual")):
        assert (tmp_path / ours).stat().st_mode == (tmp_path / usual).stat().st_mode


def test_a_place_that_cannot_be_written_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "")
    with pytest.raises(OutputError, match="too long"):
        write_text(tmp_path / ("n" * (MOST_BYTES + 1)), "")
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_folder_takes_the_place_of_the_one_before(tmp_path, monkeypatch, in_one_step):
    if not in_one_step:
        monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    fill(tmp_path / "out", "old")
    fill(tmp_path / "out", "new")
    assert (tmp_path / "out" / "a.txt").read_text() == "new" and names(tmp_path) == ["out"]


def test_a_folder_that_is_refused_at_the_end_leaves_the_one_before(tmp_path):
    def refuse() -> None:
        raise OutputError("It came into being in the meantime.")

    fill(tmp_path / "out", "old")
    with pytest.raises(OutputError, match="in the meantime"):
        fill(tmp_path / "out", "new", check=refuse)
    assert (tmp_path / "out" / "a.txt").read_text() == "old" and names(tmp_path) == ["out"]


def test_a_full_disk_is_told_also_where_a_library_wraps_what_the_system_says(tmp_path):
    with pytest.raises(OutputError, match="The disk has no room"), output_errors(tmp_path / "out"):
        raise OSError("Traceback ...") from OSError(errno.ENOSPC, "No space left on device")


def test_a_file_in_the_way_of_a_folder_stays(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"), output_errors(tmp_path / "out"):
        fill(tmp_path / "out", "new")
    assert (tmp_path / "out").read_text() == "mine" and names(tmp_path) == ["out"]


def test_what_a_stop_between_two_renames_has_set_aside_comes_back(tmp_path):
    fill(tmp_path / ".out.previous", "old")
    recover(tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_text() == "old" and names(tmp_path) == ["out"]


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed differently on Windows")
def test_a_lock_is_held_by_one_process_and_freed_when_it_is_killed(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from MSLesionSegLib.files.lock import lock\n"
        "with lock(Path(sys.argv[1])) as held: print(held, flush=True); time.sleep(60)"
    )
    file = tmp_path / "deep" / ".lock"
    other = subprocess.Popen([sys.executable, "-c", code, file], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "True\n"
    with lock(file) as held:
        assert not held
    other.kill()
    other.wait()
    other.stdout.close()
    with lock(file, wait_s=10.0) as held:
        assert held


def test_the_hash_of_settings_knows_no_order_of_keys_and_stays_what_it_was():
    """Finished cells of studies, fingerprints of cases and keys of checkpoints are such hashes."""
    assert json_sha256({"b": [1, 0.5], "a": "x"}) == json_sha256({"a": "x", "b": [1, 0.5]})
    assert json_sha256(["ä", None]) == "deb7ab9f7180d2f855f27a48d0c0a454ad95a04d5b01ab34c4909e23e545de3e"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_without_permission_is_told_in_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="not allowed to write"):
            write_text(tmp_path / "a.txt", "")
    finally:
        tmp_path.chmod(0o700)
