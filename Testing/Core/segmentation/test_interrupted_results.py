"""A result folder is whole or not there, whatever stops the writing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from MSLesionSegLib.files import atomic
from MSLesionSegLib.jobs.job import ExitCode, run_job
from MSLesionSegLib.segmentation import result_folder
from MSLesionSegLib.segmentation.result_folder import (
    check_output,
    staged,
)
from phantoms.stored_results import TASK, listing, make_result


@pytest.mark.skipif(sys.platform != "linux", reason="uses a file size limit of the system as a full disk")
def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(tmp_path):
    code = textwrap.dedent(f"""
        import resource
        from pathlib import Path
        from MSLesionSegLib.errors import OutputError
        from MSLesionSegLib.segmentation.result_folder import staged
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            with staged(Path({str(tmp_path)!r}) / "out", "flair") as work:
                (work / "big.bin").write_bytes(bytes(5000))
        except OutputError as error:
            print(error)
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no room" in done.stdout
    assert listing(tmp_path) == []


def test_a_replacement_that_was_interrupted_between_two_renames_is_undone(tmp_path):
    make_result(tmp_path / ".out.previous", "old")
    check_output(tmp_path / "out", TASK, overwrite=True)
    assert (tmp_path / "out" / "mask.txt").read_text() == "old"


def test_what_a_killed_run_left_is_cleared_later_but_not_while_it_may_be_alive(tmp_path):
    young, old = tmp_path / ".out.unfinished-1", tmp_path / ".out.unfinished-2"
    young.mkdir()
    old.mkdir()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    check_output(tmp_path / "out", TASK, overwrite=False)
    assert listing(tmp_path) == [young.name]


def stop_twice(function):
    """A person who loses patience just when ``function`` is at work."""

    def stopped(*arguments, **settings):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return function(*arguments, **settings)

    return stopped


@pytest.mark.parametrize(
    ("place", "step"), [(result_folder, "_check_existing"), (atomic, "_replace"), (atomic, "_exchange")]
)
def test_stopping_while_the_result_takes_its_place_leaves_the_whole_result(
    tmp_path, monkeypatch, place, step
):
    out = tmp_path / "out"
    make_result(out, "old")
    monkeypatch.setattr(place, step, stop_twice(getattr(place, step)))
    outcome = run_job("test", lambda job: make_result(out, "new"), stages={"work": 1.0})
    assert outcome.code == ExitCode.DONE
    assert (out / "mask.txt").read_text() == "new"
    assert listing(tmp_path) == ["out"]


def test_stopping_while_an_unfinished_result_is_cleared_leaves_nothing(tmp_path, monkeypatch):
    def work(job):
        with staged(tmp_path / "out", TASK) as folder:
            (folder / "mask.txt").write_text("half")
            job.cancel()
            job.stage("work")

    monkeypatch.setattr(atomic.shutil, "rmtree", stop_twice(shutil.rmtree))
    assert run_job("test", work, stages={"work": 1.0}).code == ExitCode.CANCELLED
    assert listing(tmp_path) == []


@pytest.fixture
def interruptible():
    """Ctrl-C works as in a terminal, also where the tests run in the background, with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_without_a_job_a_signal_is_put_off_and_not_lost(tmp_path, monkeypatch):
    out = tmp_path / "out"
    make_result(out, "old")
    monkeypatch.setattr(atomic, "_replace", stop_twice(atomic._replace))
    with pytest.raises(KeyboardInterrupt):
        make_result(out, "new")
    assert (out / "mask.txt").read_text() == "new"
    assert listing(tmp_path) == ["out"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
