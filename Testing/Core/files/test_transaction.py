"""A folder is changed as a whole, wherever the process that does it is killed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.files import transaction as changes
from MSLesionSegLib.files.transaction import transaction

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="processes are killed differently on Windows")

# kills itself before the n-th time that it touches the file system in a way that lasts
KILLED = """
    import os, signal, sys
    from pathlib import Path

    left = int(sys.argv[2])
    def or_die(call):
        def wrapped(*arguments, **options):
            global left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return call(*arguments, **options)
        return wrapped
    for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
        setattr(os, name, or_die(getattr(os, name)))
        setattr(Path, name, or_die(getattr(Path, name)))

    from MSLesionSegLib.files.transaction import transaction
    with transaction(Path(sys.argv[1])) as change:
        change.path("a/one.txt").write_text("new")
        change.path("a/two.txt").write_text("new")
        change.write_json("a/record.json", {"new": True}, last=True)
        change.path("table.txt").write_text("new")
        change.removals += ["old/record.json", "old/three.txt"]
"""


def before(folder: Path) -> dict[str, str]:
    for name in ("old/record.json", "old/three.txt", "table.txt", "other.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("old")
    return content(folder)


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".")
    }


AFTER = {
    "a/one.txt": "new",
    "a/record.json": '{\n "new": true\n}\n',
    "a/two.txt": "new",
    "other.txt": "old",
    "table.txt": "new",
}


@POSIX
def test_a_process_killed_anywhere_leaves_the_old_or_the_new_folder(tmp_path):
    """Readers go by the record: as soon as it is there, all is; as soon as it is gone, the rest may go."""
    old, outcomes = before(tmp_path / "reference"), []
    for step in range(200):
        folder = tmp_path / str(step)
        before(folder)
        script = textwrap.dedent(KILLED)
        done = subprocess.run(
            [sys.executable, "-c", script, folder, str(step)], capture_output=True, text=True
        )
        left = content(folder)
        if "a/record.json" in left:
            assert left == AFTER
        assert left == old or "old/record.json" not in left
        with transaction(folder):
            pass
        outcomes.append(content(folder))
        assert outcomes[-1] in (old, AFTER)
        assert not [p.name for p in folder.iterdir() if p.name.startswith(".") and p.name != ".lock"]
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
    assert outcomes[0] == old and outcomes[-1] == AFTER and len(outcomes) > 10
    assert outcomes == sorted(outcomes, key=lambda outcome: outcome == AFTER)


def test_a_failed_change_leaves_the_folder_as_it_was(tmp_path):
    old = before(tmp_path)
    with pytest.raises(ZeroDivisionError), transaction(tmp_path) as change:
        change.path("a/one.txt").write_text("new")
        change.removals.append("old/three.txt")
        raise ZeroDivisionError
    assert content(tmp_path) == old
    assert not list(tmp_path.glob(".change*"))


def test_two_at_a_time_wait_for_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(changes, "_WAIT_S", 0.05)
    with transaction(tmp_path):
        with pytest.raises(OutputError, match="being changed by another program"), transaction(tmp_path):
            pass
        (tmp_path / "still.txt").write_text("mine")
    assert content(tmp_path) == {"still.txt": "mine"}


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"), transaction(tmp_path / "file"):
        pass
