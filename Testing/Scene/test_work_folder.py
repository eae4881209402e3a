"""Patients' images lie in a folder of the session's owner, which goes with the session, also if that is killed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from MSLesionSegModule.jobs.job import DONE, Job
from MSLesionSegModule.jobs.workFolder import WorkFolder, removeLeftovers

# a session of another process, which says where its folder is and then waits for its end
SESSION = """
import sys
sys.path.append(sys.argv[1])
from workFolder import WorkFolder
work = WorkFolder(sys.argv[2])
(work.path() / "scan.nii.gz").write_bytes(b"patient")
print(work.path(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def session(tmp_path):
    """Another Slicer with a work folder below ``tmp_path``, and that folder."""
    module = Path(__file__).parents[2] / "MSLesionSeg" / "MSLesionSegModule" / "jobs"
    process = subprocess.Popen(
        [sys.executable, "-c", SESSION, str(module), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.communicate()


def test_what_a_killed_session_left_is_removed_at_the_next_start(session, tmp_path):
    process, folder = session
    assert (folder / "scan.nii.gz").is_file()
    process.kill()
    process.wait()
    removeLeftovers(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_another_slicer_that_runs_is_left_alone(session, tmp_path):
    _process, folder = session
    removeLeftovers(str(tmp_path))
    assert (folder / "scan.nii.gz").is_file()


def test_the_own_folder_of_a_session_is_left_alone(tmp_path):
    work = WorkFolder(str(tmp_path))
    folder = work.path()
    removeLeftovers(str(tmp_path))
    assert folder.is_dir() and work.path() == folder
    work.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_work_folder_is_left_alone(tmp_path):
    (tmp_path / "Slicer-settings").mkdir()
    (tmp_path / "MSLesionSeg-notes.txt").touch()
    removeLeftovers(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MSLesionSeg-notes.txt", "Slicer-settings"]


def test_a_folder_that_somebody_removed_is_made_again(tmp_path):
    work = WorkFolder(str(tmp_path))
    work.path().rmdir()
    assert work.path().is_dir()
    work.remove()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_only_its_owner_may_look_into_a_work_folder(tmp_path):
    before = os.umask(0)
    try:
        work = WorkFolder(str(tmp_path))
        assert stat.S_IMODE(work.path().stat().st_mode) == 0o700
    finally:
        os.umask(before)
    work.remove()


def test_what_a_job_writes_into_the_temporary_folder_lies_in_its_own_and_goes_with_it(tmp_path):
    package = tmp_path / "program" / "MSLesionSegLib"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import json, tempfile\nprint(json.dumps({'event': 'result', 'file': tempfile.mkstemp()[1]}))\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    outcome = Job([], work, environment={**os.environ, "PYTHONPATH": str(package.parent)}).wait()
    assert outcome.state == DONE
    assert Path(outcome.result["file"]).is_relative_to(work)
    assert list(work.iterdir()) == []
