"""A process that waits for a search: it is one job like any other, and nobody's when Slicer has gone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from MSLesionSegModule.jobs.coreProcess import coreEnvironment
from MSLesionSegModule.jobs.job import CANCELLED, DONE, FAILED, Job
from MSLesionSegModule.jobs.warmWorker import WarmWorker

from phantoms.hospital import save_patient
from support.forked_commands import forked_commands

HEAVY = ("torch", "monai", "SimpleITK", "safetensors.torch", "cc3d", "jinja2")
MOST_MIB = 600


@pytest.fixture
def scan(models, tmp_path) -> Path:
    path = tmp_path / "sub-01_FLAIR.nii.gz"
    save_patient(path, "LAS")
    return path


@pytest.fixture
def worker():
    worker = WarmWorker()
    yield worker
    worker.end()


@pytest.fixture
def at_once():
    """Processes have loaded everything at once: what is tested is not their start."""
    with forked_commands():
        yield


def waiting(worker: WarmWorker) -> psutil.Process:
    """Its process, once it has loaded everything and waits."""
    process = psutil.Process(worker._process.pid)
    end = time.monotonic() + 120
    before = -1.0
    while (spent := sum(process.cpu_times()[:2])) != before or spent < 0.5:
        before = spent
        time.sleep(1.0)
        assert time.monotonic() < end
    return process


def search(scan: Path, folder: Path, worker: WarmWorker, environment=None, **more) -> Job:
    arguments = [
        "segment",
        "flair",
        "--flair",
        str(scan),
        "--output",
        str(folder / "out"),
        "--model",
        "bright",
    ]
    return Job(arguments, folder, environment=environment or coreEnvironment(), worker=worker, **more)


def test_a_waiting_process_does_the_job_at_once_and_holds_little_memory(worker, scan, tmp_path):
    worker.start(tmp_path, coreEnvironment())
    process = waiting(worker)
    assert process.memory_info().rss / 2**20 < MOST_MIB
    events = []
    job = search(scan, tmp_path, worker, onEvent=events.append)
    assert job._process.pid == process.pid
    assert job.wait().state == DONE
    assert [event["event"] for event in events][:1] == ["started"] and events[0]["pid"] == process.pid
    assert (tmp_path / "out" / "result.json").is_file()


def test_what_a_search_needs_is_loaded_before_it_is_told(tmp_path):
    code = (
        "import sys, MSLesionSegLib.warm_start as warm\nwarm._load()\n"
        f"print([name for name in {HEAVY} if name not in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_job_that_it_does_can_be_cancelled(at_once, worker, scan, tmp_path):
    worker.start(tmp_path, coreEnvironment())
    events = []
    job = search(scan, tmp_path, worker, onEvent=events.append)
    while not events:
        job.poll()
        time.sleep(0.01)
    job.cancel()
    assert job.wait().state == CANCELLED
    assert not (tmp_path / "out").exists()


def test_its_crash_is_a_failed_job_and_the_next_one_starts_anew(at_once, worker, scan, tmp_path):
    worker.start(tmp_path, coreEnvironment())
    psutil.Process(worker._process.pid).suspend()  # before it has read what to do
    job = search(scan, tmp_path, worker)
    psutil.Process(job._process.pid).kill()
    outcome = job.wait()
    assert outcome.state == FAILED and "unexpectedly" in outcome.sentence

    worker.start(tmp_path, coreEnvironment())
    psutil.Process(worker._process.pid).kill()
    worker._process.wait()
    assert search(scan, tmp_path, worker).wait().state == DONE


def test_a_process_that_waits_with_other_settings_is_not_taken(at_once, worker, scan, tmp_path):
    worker.start(tmp_path, coreEnvironment())
    before = psutil.Process(worker._process.pid)
    job = search(scan, tmp_path, worker, environment={**coreEnvironment(), "MSLESIONSEG_OTHER": "1"})
    assert job._process.pid != before.pid
    assert not before.is_running()
    job.abandon()


@pytest.mark.skipif(sys.platform == "win32", reason="ends Slicer by a signal")
def test_it_does_not_outlive_a_slicer_that_is_killed(tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        f"sys.path[:0] = {sys.path}\n"
        "import scene\nscene.start()\n"
        "from MSLesionSegModule.jobs.coreProcess import coreEnvironment\n"
        "from MSLesionSegModule.jobs.warmWorker import WarmWorker\n"
        f"worker = WarmWorker()\nworker.start(Path({str(tmp_path)!r}), coreEnvironment())\n"
        "print(worker._process.pid, flush=True)\ntime.sleep(600)"
    )
    slicer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ)
    process = psutil.Process(int(slicer.stdout.readline()))
    slicer.kill()
    slicer.wait()
    process.wait(timeout=120)


def test_it_ends_with_the_panel(at_once, worker, tmp_path):
    worker.start(tmp_path, coreEnvironment())
    process = psutil.Process(worker._process.pid)
    worker.end()
    assert not process.is_running()
