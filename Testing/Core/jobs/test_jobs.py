"""Jobs: the events, the honest clock, cancelling and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from MSLesionSegLib.errors import Cancelled, ImageError
from MSLesionSegLib.jobs.job import ExitCode, Job, run_job

STAGES = {"read": 1.0, "work": 8.0, "write": 1.0}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def events() -> list[dict]:
    return []


@pytest.fixture
def job(clock: Clock, events: list[dict]) -> Job:
    return Job("test", STAGES, events.append, clock=clock)


def steady_run(job: Job, clock: Clock) -> None:
    """Ten seconds of work whose stages take just the expected shares."""
    for stage, seconds in STAGES.items():
        for step in range(11):
            job.stage(stage, step / 10)
            clock.now += 0.0 if step == 10 else seconds / 10


def test_no_remaining_time_is_told_before_the_long_stage_was_measured(clock, events):
    job = Job("test", {"prepare": 5.0, "train": None, "gate": 5.0}, events.append, clock=clock)
    for step in range(11):
        job.stage("prepare", step / 10)
        clock.now += 1.0
    assert all(event["eta_s"] is None for event in events) and events[-1]["fraction"] < 0.2
    job.expect({"train": 1000.0, "gate": 100.0})
    job.stage("train")
    assert events[-1]["eta_s"] == 1100.0 and events[-1]["fraction"] < 0.2
    clock.now += 1000.0  # twice as slow as measured
    job.stage("train", 0.5)
    assert events[-1]["eta_s"] == 2 * 600.0
    job.stage("scoring", 0.5)
    assert events[-1]["eta_s"] == 2 * 600.0
    clock.now += 1000.0
    job.stage("gate", 0.5)
    assert events[-1]["eta_s"] == pytest.approx(50 * 2000 / 1050, abs=0.1)
    fractions = [event["fraction"] for event in events]
    assert fractions == sorted(fractions) and fractions[-1] > 0.9


def test_a_run_that_goes_on_in_the_middle_of_a_stage_tells_what_is_left_of_it(clock, events):
    job = Job("test", {"train": None}, events.append, clock=clock)
    clock.now += 10.0
    job.expect({"train": 1000.0})
    job.stage("train", 0.9)
    assert events[-1]["eta_s"] == 100.0


def test_overall_fraction_goes_from_zero_to_one_and_never_back(job, clock, events):
    steady_run(job, clock)
    fractions = [event["fraction"] for event in events]
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert fractions == sorted(fractions)
    job.stage("read", 0.0)
    assert events[-1]["fraction"] == 1.0


def test_remaining_time_is_right_when_the_stages_take_their_expected_shares(job, clock, events):
    steady_run(job, clock)
    told = [event for event in events if event["eta_s"] is not None]
    assert len(told) > 10
    for event in told:
        assert event["eta_s"] == pytest.approx(10.0 - event["elapsed_s"], abs=0.25)
    remaining = [event["eta_s"] for event in told]
    assert remaining == sorted(remaining, reverse=True)
    assert remaining[-1] == 0.0


def test_no_remaining_time_is_invented_at_the_very_start(job, events):
    job.stage("read", 0.0)
    assert events[0]["eta_s"] is None


def test_a_skipped_stage_counts_as_done(job, events):
    job.stage("write", 0.0)
    assert events[-1]["fraction"] == pytest.approx(0.9)


def test_an_unplanned_stage_is_shown_but_moves_nothing(job, events):
    job.stage("work", 0.5)
    job.stage("surprise", 0.7)
    assert events[-1]["stage"] == "surprise"
    assert events[-1]["fraction"] == events[-2]["fraction"]


def test_a_chatty_stage_does_not_flood_the_reader(job, clock, events):
    for step in range(1000):
        job.stage("work", step / 1000)
        clock.now += 0.001
    assert len(events) <= 7


def test_a_stop_file_cancels_at_the_next_report(clock, events, tmp_path):
    stop = tmp_path / "stop"
    job = Job("test", STAGES, events.append, stop_file=stop, clock=clock)
    job.stage("read")
    stop.touch()
    clock.now += 1.0
    with pytest.raises(Cancelled):
        job.stage("work")
    with pytest.raises(Cancelled):  # also when somebody caught the first one
        job.warning("x", "y")


def test_events_are_one_json_object_per_line_and_end_with_the_result(capsys):
    def work(job: Job) -> int:
        job.stage("read", 1.0)
        print("a library chats")
        job.metric("dice", 0.5, epoch=3)
        job.warning("thick", "Thick slices: é.")
        return 7

    outcome = run_job("test", work, stages=STAGES, describe=lambda value: {"answer": value}, events=True)
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["event"] for line in lines] == ["started", "progress", "metric", "warning", "result"]
    assert lines[0]["stages"] == list(STAGES)
    assert lines[2] == {"event": "metric", "name": "dice", "value": 0.5, "epoch": 3}
    assert lines[3]["sentence"] == "Thick slices: é."
    assert lines[4]["answer"] == 7
    assert "a library chats" in err
    assert outcome.code == ExitCode.DONE
    assert outcome.value == 7


@pytest.mark.parametrize(
    ("error", "code", "name"),
    [
        (ImageError("No brain in scan.nii."), ExitCode.USER_ERROR, "image"),
        (Cancelled(), ExitCode.CANCELLED, "cancelled"),
        (MemoryError(), ExitCode.USER_ERROR, "memory"),
        (RuntimeError("CUDA out of memory."), ExitCode.USER_ERROR, "memory"),
        (ZeroDivisionError("division by zero"), ExitCode.BUG, "bug"),
    ],
)
def test_every_way_to_fail_has_its_exit_code_and_error_event(capsys, error, code, name):
    def work(job: Job) -> None:
        raise error

    outcome = run_job("test", work, stages=STAGES, events=True)
    out, err = capsys.readouterr()
    last = json.loads(out.splitlines()[-1])
    assert outcome.code == code
    assert (last["event"], last["code"]) == ("error", name)
    assert last["sentence"]
    assert ("Traceback" in err) == (name == "bug")


def test_the_terminal_tells_errors_in_a_sentence_without_a_traceback(capsys):
    def work(job: Job) -> None:
        job.stage("work", 0.2)
        raise ImageError("scan.nii is not an image. Give a NIfTI file.")

    outcome = run_job("test", work, stages=STAGES)
    out, err = capsys.readouterr()
    assert outcome.code == ExitCode.USER_ERROR
    assert "scan.nii is not an image. Give a NIfTI file." in err
    assert "Traceback" not in err
    assert out == ""


CHILD = textwrap.dedent("""
    import sys, time
    from MSLesionSegLib.jobs.job import run_job

    def slowly(job):
        for step in range(600):
            job.stage("work", step / 600)
            time.sleep(0.05)

    def work(job):
        WORK

    sys.exit(run_job("test", work, stages={"work": 1.0}, events=True).code)
""")


def start_child(work: str = "slowly(job)", **streams: int) -> subprocess.Popen:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    code = CHILD.replace("WORK", work)
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment, **streams
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent differently on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_with_the_code_for_cancelled(number):
    child = start_child()
    while json.loads(child.stdout.readline())["event"] != "progress":
        pass
    child.send_signal(number)
    rest = child.stdout.read().splitlines()
    assert child.wait() == ExitCode.CANCELLED
    assert json.loads(rest[-1])["code"] == "cancelled"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break differently on Windows")
def test_a_command_whose_reader_has_gone_stops_by_itself():
    child = start_child()
    child.stdout.readline()
    child.stdout.close()
    assert child.wait() == ExitCode.CANCELLED


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break differently on Windows")
def test_a_result_that_stands_is_no_failure_although_the_reader_has_gone():
    child = start_child("sys.stdin.readline()", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.readline()
    child.stdout.close()
    _, told = child.communicate("go on\n")
    assert child.returncode == ExitCode.DONE
    assert told == ""


def test_a_cancelled_command_says_what_stays_on_the_disk(capsys):
    def work(job: Job) -> None:
        job.cancel()
        job.stage("work")

    run_job("test", work, stages=STAGES)
    assert "Nothing was written." in capsys.readouterr().err
    run_job("test", work, stages=STAGES, cancelled="Cancelled. Checkpoints stay.")
    assert "Cancelled. Checkpoints stay." in capsys.readouterr().err


def test_signals_come_too_late_for_a_command_that_has_ended(events):
    def impatient(value: int) -> dict:
        return {"answer": Twice()}

    class Twice:
        """What turns it into text is stopped by the person."""

        def __str__(self) -> str:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            return "7"

    outcome = run_job("test", lambda job: 7, stages=STAGES, describe=impatient, events=True)
    assert outcome.code == ExitCode.DONE


def test_the_terminal_shows_stages_as_lines_when_it_is_a_log_file(capsys):
    def work(job: Job) -> None:
        job.stage("read", 0.0)
        job.stage("work", 0.0)
        job.warning("thick", "The slices are thick.")

    run_job("test", work, stages=STAGES)
    err = capsys.readouterr().err
    assert "read" in err
    assert "work" in err
    assert "The slices are thick." in err


def test_exit_codes_are_the_documented_ones():
    page = Path(__file__).parents[3] / "docs" / "command-line.md"
    text = page.read_text(encoding="utf-8")
    for code in ExitCode:
        assert f"| {code.value} |" in text
