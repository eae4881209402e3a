"""Temporary folders with a patient's images do not outlive the process that made them for long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from MSLesionSegLib.files.private_folder import private_folder

KILLED = """
import os, signal, tempfile, sys
from MSLesionSegLib.files.private_folder import private_folder
tempfile.tempdir = sys.argv[1]
with private_folder() as folder:
    (folder / "patient.dcm").write_text("Doe")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_it_is_for_this_user_alone_and_removed_at_the_end(temporary: Path) -> None:
    with private_folder() as folder:
        (folder / "patient.dcm").write_text("Doe")
        assert folder.parent.stat().st_mode & 0o077 == 0
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_stays(temporary: Path) -> None:
    with private_folder() as used:
        (used / "patient.dcm").write_text("in use")
        subprocess.run([sys.executable, "-c", KILLED, str(temporary)], check=False)
        left = [path for path in temporary.rglob("patient.dcm") if not path.is_relative_to(used)]
        assert len(left) == 1
        with private_folder():
            assert not left[0].exists()
            assert (used / "patient.dcm").read_text() == "in use"
    assert list(temporary.iterdir()) == []
