"""A run's folder belongs to one process, and patients' brains do not stay in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.training.loop.run_folder import held_run

HOLDS = """
import sys
from pathlib import Path
from MSLesionSegLib.training.loop.run_folder import held_run
with held_run(Path(sys.argv[1]), ["mine"], lambda name: True) as run:
    run.examples.mkdir(parents=True)
    run.training.mkdir()
    (run.training / "checkpoint.pt").write_bytes(b"weights")
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that trains a model named mine."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate()


def everything(name: str) -> bool:
    return True


def test_two_processes_never_share_a_run(other, tmp_path):
    with pytest.raises(OutputError, match="runs already"), held_run(tmp_path, ["mine"], everything):
        raise AssertionError
    with held_run(tmp_path, ["mine", "next"], everything) as run:
        assert run.name == "next"
    assert (tmp_path / ".runs" / "mine" / "examples").exists()  # the other one still needs them


def test_a_process_that_was_killed_holds_nothing_and_its_brains_go_with_the_next_run(other, tmp_path):
    other.kill()
    other.wait()
    with held_run(tmp_path, ["next"], everything):
        assert not (tmp_path / ".runs" / "mine" / "examples").exists()
    with held_run(tmp_path, ["mine"], everything) as run:
        assert (run.training / "checkpoint.pt").read_bytes() == b"weights"


def test_a_name_that_is_not_free_is_passed_over_and_nothing_is_left_behind(tmp_path: Path):
    (tmp_path / "one").mkdir()  # a folder without a card is no free name
    with held_run(tmp_path, ["one", "two"], lambda name: not (tmp_path / name).exists()) as run:
        assert run.name == "two"
        run.examples.mkdir(parents=True)
    assert list((tmp_path / ".runs").iterdir()) == []
