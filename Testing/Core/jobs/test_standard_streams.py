"""Nobody at the other end of standard output or standard error: the work is done all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="streams are closed differently on Windows")

WORK = """
import sys
from pathlib import Path
from MSLesionSegLib.commands.options import JobOptions
from MSLesionSegLib.commands.running import printing, run
from MSLesionSegLib.jobs.standard_streams import open_closed_streams
import typer
open_closed_streams()
target = Path(sys.argv[1])
def work(job):
    job.stage("work")
    with target.open("w") as file:  # takes a closed stream's place where it is left closed
        print("noise of a library", flush=True)
        print("more noise", file=sys.stderr, flush=True)
        file.write("the result")
    job.warning("odd", "Something is odd.")
    job.stage("work", 1.0)
run("test", work, {"work": 1.0}, lambda value: {}, JobOptions(events="--events" in sys.argv))
with printing():
    for line in range(3000):
        typer.echo(f"line {line} of a table")
"""


@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("events", [[], ["--events"]])
def test_closed_streams_change_neither_the_result_nor_the_exit_code(tmp_path, closed, events):
    def close():
        for number in closed:
            os.close(number)

    target = tmp_path / "result.txt"
    code = subprocess.call([sys.executable, "-c", WORK, str(target), *events], preexec_fn=close)
    assert code == 0
    assert target.read_text() == "the result"


def broken() -> int:
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("which", ["stdout", "stderr", "both"])
def test_readers_that_have_gone_change_neither_the_result_nor_the_exit_code(tmp_path, which):
    target = tmp_path / "result.txt"
    quiet = WORK.replace('print("noise of a library", flush=True)', "pass")
    quiet = quiet.replace('print("more noise", file=sys.stderr, flush=True)', "pass")
    end = broken()
    streams = {name: end for name in ("stdout", "stderr") if which in (name, "both")}
    ended = subprocess.run(
        [sys.executable, "-c", quiet, str(target)],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )
    os.close(end)
    assert ended.returncode == 0, ended.stderr
    assert target.read_text() == "the result"
    assert which != "stderr" or ended.stdout.count(b"\n") == 3000


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["models", "show", "flair-ms"],
        ["models", "list"],
        ["--help"],
        ["segment", "flair", "--help"],
    ],
)
@pytest.mark.parametrize("gone", ["closed", "broken"])
def test_quick_commands_need_no_reader_either(arguments, gone):
    end = broken()
    ended = subprocess.run(
        [sys.executable, "-m", "MSLesionSegLib", *arguments],
        stdout=end,
        stderr=subprocess.PIPE,
        preexec_fn=(lambda: os.close(1)) if gone == "closed" else None,
        cwd=Path(__file__).parents[3],
    )
    os.close(end)
    assert (ended.returncode, ended.stderr.strip()) == (0, b"")


def test_a_wrong_command_stays_wrong_when_nobody_reads_its_help():
    end = broken()
    command = [sys.executable, "-m", "MSLesionSegLib", "segment", "no-such-task"]
    assert subprocess.call(command, stdout=end, stderr=end, cwd=Path(__file__).parents[3]) != 0
    os.close(end)
