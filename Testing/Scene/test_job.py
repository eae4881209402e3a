"""A child process is read without blocking and ended with all its children when it does not listen."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from MSLesionSegModule.job import CANCELLED, DONE, FAILED, Job

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
    job = Job([], events.append, environment=program(tmp_path, STUBBORN), graceS=0.2)
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
    assert Job([], environment=program(tmp_path / "a", result)).wait().result["n"] == 1
    assert Job([], environment=program(tmp_path / "b", result)).wait().state == DONE
    bad = Job([], environment=program(tmp_path / "c", f"{result}\nraise SystemExit(3)")).wait()
    assert bad.state == FAILED and "3" in bad.sentence
    silent = Job([], environment=program(tmp_path / "d", "")).wait()
    assert silent.state == FAILED


def test_the_last_line_of_a_crash_is_told_and_other_output_goes_to_the_log(tmp_path):
    job = Job([], environment=program(tmp_path, "print('hello')\nraise RuntimeError('disk on fire')"))
    outcome = job.wait()
    assert "disk on fire" in outcome.sentence
    assert "hello" in job.log


def test_an_abandoned_job_tells_nobody(tmp_path):
    told = []
    job = Job([], told.append, told.append, environment=program(tmp_path, STUBBORN))
    job.abandon()
    assert told == []
