"""A child process is read without blocking and ended with all its children when it does not listen."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from MSLesionSegModule.jobs.coreProcess import coreEnvironment
from MSLesionSegModule.jobs.job import CANCELLED, DONE, FAILED, Job

from MSLesionSegLib.errors import ImageError

STUBBORN = """
import json, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(json.dumps({"event": "started", "child": child.pid}), flush=True)
time.sleep(600)
"""


def program(folder: Path, code: str) -> dict[str, str]:
    """An environment in which ``python -m MSLesionSegLib`` is another program."""
    package = folder / "MSLesionSegLib"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(code)
    return {**os.environ, "PYTHONPATH": str(folder)}


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().split()[2] != "Z"
    except FileNotFoundError:
        return False


def until(job: Job, condition) -> None:
    end = time.monotonic() + 120
    while not condition():
        job.poll()
        time.sleep(0.02)
        assert time.monotonic() < end


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_process_that_does_not_listen_is_ended_with_its_children(tmp_path):
    events = []
    job = Job([], tmp_path, events.append, environment=program(tmp_path, STUBBORN), graceS=0.2)
    until(job, lambda: events)
    assert alive(events[0]["child"])
    job.cancel()
    assert job.wait().state == CANCELLED
    end = time.monotonic() + 20
    while alive(events[0]["child"]) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(events[0]["child"])


def test_success_needs_a_result_and_exit_code_zero(tmp_path):
    result = 'print(\'{"event": "result", "n": 1}\')'
    assert Job([], tmp_path, environment=program(tmp_path / "a", result)).wait().result["n"] == 1
    assert Job([], tmp_path, environment=program(tmp_path / "b", result)).wait().state == DONE
    bad = Job([], tmp_path, environment=program(tmp_path / "c", f"{result}\nraise SystemExit(3)")).wait()
    assert bad.state == FAILED and "3" in bad.sentence
    silent = Job([], tmp_path, environment=program(tmp_path / "d", "")).wait()
    assert silent.state == FAILED


def test_the_last_line_of_a_crash_is_told_and_other_output_goes_to_the_log(tmp_path):
    job = Job(
        [], tmp_path, environment=program(tmp_path, "print('hello')\nraise RuntimeError('disk on fire')")
    )
    outcome = job.wait()
    assert "disk on fire" in outcome.sentence
    assert "hello" in job.log


def test_an_abandoned_job_tells_nobody(tmp_path):
    told = []
    job = Job([], tmp_path, told.append, told.append, environment=program(tmp_path, STUBBORN))
    job.abandon()
    assert told == []


RESULT = """
import json
print(json.dumps({"event": "result"}), flush=True)
"""


def test_what_remains_to_be_done_here_is_done_a_little_per_poll(tmp_path):
    done, told = [], []

    def completion():
        for step in range(3):
            time.sleep(0.03)  # longer than a poll takes steps for
            done.append(step)
            yield

    job = Job(
        [], tmp_path, onFinished=told.append, environment=program(tmp_path, RESULT), completion=completion
    )
    until(job, lambda: done)
    assert done == [0] and job.outcome is None
    assert job.poll()
    assert done == [0, 1]
    assert job.wait().state == DONE
    assert done == [0, 1, 2] and [outcome.state for outcome in told] == [DONE]


@pytest.mark.parametrize("how", ["cancel", "abandon"])
def test_what_remains_is_broken_off_when_the_job_is_no_longer_wanted(tmp_path, how):
    done, closed = [], []

    def completion():
        try:
            while True:
                time.sleep(0.03)
                done.append(1)
                yield
        finally:
            closed.append(1)

    job = Job([], tmp_path, environment=program(tmp_path, RESULT), completion=completion)
    until(job, lambda: done)
    getattr(job, how)()
    job.wait()
    assert closed == [1] and done == [1]
    assert how == "abandon" or job.outcome.state == CANCELLED


def test_a_failure_in_what_remains_fails_the_job_and_its_place_is_in_the_log(tmp_path):
    def completion():
        yield
        raise ValueError("The scene is full.")

    job = Job([], tmp_path, environment=program(tmp_path, RESULT), completion=completion)
    outcome = job.wait()
    assert (outcome.state, outcome.sentence) == (FAILED, "The scene is full.")
    assert any("in completion" in line for line in job.log)


def test_a_refusal_that_is_expected_leaves_no_traceback_in_the_log(tmp_path):
    def completion():
        yield
        raise ImageError("The scan is empty.")

    job = Job([], tmp_path, environment=program(tmp_path, RESULT), completion=completion)
    outcome = job.wait()
    assert (outcome.state, outcome.sentence) == (FAILED, "The scan is empty.")
    assert not job.log


def test_packages_of_the_module_s_own_folder_never_hide_those_of_this_python(tmp_path):
    for name in ("nibabel", "only_here"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('{name} of the folder')")
    code = (
        "import atexit, importlib.util, runpy, sys\n"
        "sys.argv = ['mslesionseg', '--version']\n"
        "find = importlib.util.find_spec\n"
        "atexit.register(lambda: print(find('nibabel').origin, find('only_here').origin, sep='|'))\n"
        "runpy.run_module('MSLesionSegLib', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=coreEnvironment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    nibabel, only_here = done.stdout.strip().splitlines()[-1].split("|")
    assert Path(only_here).is_relative_to(tmp_path)
    assert not Path(nibabel).is_relative_to(tmp_path)
