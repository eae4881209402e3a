"""The real command in real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from MSLesionSegLib.cli import app
from phantoms.phantom import Head

AT_ONCE = pytest.mark.usefixtures("commands_begin_at_once")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent differently on Windows")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "MSLesionSegLib", *map(str, arguments)]


def run(environment: dict, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=environment)


def run_here(*arguments: object) -> Result:
    """The command in this process, which has loaded torch already."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def segment_arguments(scan: Path, out: Path) -> list[object]:
    return ["segment", "flair", "--flair", scan, "-o", out, "--model", "tiny", "--device", "cpu"]


def events_until(process: subprocess.Popen, stage: str) -> None:
    for line in process.stdout:
        event = json.loads(line)
        if event.get("stage") == stage:
            return
    raise AssertionError(f"the command ended before the stage '{stage}'")


def test_segment_prints_events_and_writes_the_result(head: Head, tmp_path, command_environment):
    out = tmp_path / "out"
    arguments = segment_arguments(head.save(tmp_path / "in"), out)
    done = run(command_environment, *arguments, "--events")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "started"
    assert events[0]["command"] == "segment flair"
    assert events[-1]["event"] == "result"
    assert Path(events[-1]["manifest"]).is_file()
    fractions = [event["fraction"] for event in events if event["event"] == "progress"]
    assert fractions == sorted(fractions)
    assert {event["stage"] for event in events if event["event"] == "progress"} == set(events[0]["stages"])

    again = run_here(*arguments)
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr
    assert "Traceback" not in again.stderr

    replaced = run_here(*arguments, "--overwrite", "--min-peak", "0.7")
    assert replaced.exit_code == 0, replaced.stderr
    assert "26-connected, at least 100 mm3" in replaced.stdout
    assert "peak from 0.7" in replaced.stdout
    assert json.loads((out / "result.json").read_text())["settings"]["minimum_peak"] == 0.7
    assert "research use only" in replaced.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


@POSIX
@AT_ONCE
@pytest.mark.parametrize("stage", ["find lesions", "write results"])
def test_a_command_killed_in_the_middle_leaves_no_half_written_output(
    head, tmp_path, command_environment, stage
):
    scan = head.save(tmp_path / "in")
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(*segment_arguments(scan, out), "--events"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=command_environment,
    )
    events_until(process, stage)
    process.kill()
    process.stdout.read()
    process.wait()
    assert not out.exists() or (out / "result.json").is_file()
    # what may remain is hidden and is no obstacle
    assert {p.name for p in tmp_path.iterdir() if not p.name.startswith(".")} <= {"in", "out"}
    again = run_here(*segment_arguments(scan, out), "--overwrite")
    assert again.exit_code == 0, again.stderr
    assert (out / "result.json").is_file()


@AT_ONCE
def test_a_stop_file_cancels_with_its_exit_code_and_leaves_nothing(head, tmp_path, command_environment):
    stop = tmp_path / "stop"
    stop.touch()
    arguments = segment_arguments(head.save(tmp_path / "in"), tmp_path / "out")
    done = run(command_environment, *arguments, "--events", "--stop-file", stop)
    assert done.returncode == 130
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["event"], last["code"]) == ("error", "cancelled")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "stop"]


@POSIX
@AT_ONCE
def test_ctrl_c_cancels_with_its_exit_code_and_leaves_nothing(head, tmp_path, command_environment):
    arguments = segment_arguments(head.save(tmp_path / "in"), tmp_path / "out")
    process = subprocess.Popen(
        command(*arguments, "--events"), stdout=subprocess.PIPE, text=True, env=command_environment
    )
    events_until(process, "find brain")
    process.send_signal(signal.SIGINT)
    lines = process.stdout.read().splitlines()
    assert process.wait() == 130
    assert json.loads(lines[-1])["code"] == "cancelled"
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


@POSIX
def test_a_reader_that_wants_only_the_first_line_is_no_failure(head, tmp_path, command_environment):
    environment = {key: value for key, value in command_environment.items() if key != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        command(*segment_arguments(head.save(tmp_path / "in"), tmp_path / "out")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    process.stdout.close()
    told = process.stderr.read()
    assert process.wait() == 0, told
    assert "Error" not in told
    assert (tmp_path / "out" / "result.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["segment", "flair", "--flair", "scan.nii", "-o", "out"], "Cancelled. Nothing was written."),
        (["demo", "--flair", "scan.nii"], "Cancelled. Nothing was written."),
        (["demo", "-o", "mine"], "a finished synthetic patient stays in mine/patient."),
    ],
)
def test_a_stopped_command_says_what_stays_on_the_disk(arguments, sentence, tmp_path, models, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stop").touch()
    done = CliRunner().invoke(app, [*arguments, "--events", "--stop-file", "stop"])
    assert done.exit_code == 130
    assert sentence.replace("/", os.sep) in json.loads(done.stdout.splitlines()[-1])["sentence"]


def test_stopped_model_development_says_that_it_goes_on_from_there(tmp_path, monkeypatch):
    from model_development.__main__ import app as development

    monkeypatch.chdir(tmp_path)
    (tmp_path / "stop").touch()
    arguments = ["default-models", "--data", "d", "--work", "w", "--events", "--stop-file", "stop"]
    done = CliRunner().invoke(development, arguments)
    assert done.exit_code == 130
    assert "What was made so far stays in w;" in json.loads(done.stdout.splitlines()[-1])["sentence"]


def test_the_help_tells_every_option_of_a_segmentation():
    text = CliRunner().invoke(app, ["segment", "flair", "--help"], env={"COLUMNS": "200"}).output
    options = ("flair", "output", "model", "device", "threshold", "min-volume", "min-peak", "brain-mask")
    for option in (*options, "n4", "overwrite", "events", "stop-file"):
        assert f"--{option} " in text, option
    assert "--mirroring" in text and "--flips" in text  # the name before, for one version
    assert "Drop lesions that nowhere reach this probability" in text


def test_a_missing_scan_is_told_in_a_sentence(tmp_path, command_environment):
    done = run(command_environment, *segment_arguments(tmp_path / "nothing.nii.gz", tmp_path / "out"))
    assert done.returncode == 1
    assert "nothing.nii.gz" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_option_is_a_usage_error(command_environment):
    assert run(command_environment, "segment", "flair", "--flare", "x").returncode == 2


def test_models_are_listed_and_shown(models):
    listed = run_here("models", "list")
    assert listed.exit_code == 0
    assert "tiny" in listed.stdout and "flair-ms" in listed.stdout
    assert "MS3SEG" not in listed.stdout  # of a description only the first sentence
    shown = run_here("models", "show", "tiny")
    assert json.loads(shown.stdout)["architecture"]["levels"] == 3
    unknown = run_here("models", "show", "nobody")
    assert unknown.exit_code == 1
    assert "nobody" in unknown.stderr


def test_info_tells_versions_and_devices_but_no_names(models):
    done = run_here("info")
    assert done.exit_code == 0
    for word in ("mslesionseg", "torch", "Python", "CPU cores", "GPU"):
        assert word in done.stdout
    assert str(models) not in done.stdout
    assert "tiny" not in done.stdout
    assert str(Path.home()) not in done.stdout


def test_version_is_printed(command_environment):
    assert run(command_environment, "--version").stdout.startswith("mslesionseg ")


def test_brackets_in_a_table_are_text(capsys):
    from MSLesionSegLib.commands.running import new_table, print_table

    table = new_table("model", "description")
    table.add_row("mine", "[own] cases of [/data/cases]")
    print_table(table)
    assert "[own] cases of [/data/cases]" in capsys.readouterr().out
