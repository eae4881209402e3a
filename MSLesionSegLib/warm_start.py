"""A process that has loaded what a search for lesions needs, and waits to be told of one.

A line of JSON on standard input tells the command; from then on the process is that command and no other, with the
events, the stop file and the exit code of any job. Whoever started it holds the other end of standard input: where it
closes before, because there is no job or because that program itself has ended, the process ends.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import sys
import tempfile
import threading

AWAIT_JOB = "--await-job"
_OF_A_SEARCH = (
    "MSLesionSegLib.network.brain_extraction",
    "MSLesionSegLib.network.sliding_window",
    "MSLesionSegLib.segmentation.report.report",
    "MSLesionSegLib.segmentation.segment",
    *("cc3d", "jinja2", "PIL.ImageDraw", "SimpleITK"),
)


def await_job() -> list[str]:
    """Load, wait, and return the arguments of the command.

    The line has ``arguments`` and ``folder``, which becomes the working folder and that of temporary files.
    """
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    _load()
    told = json.loads(lines.get())
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, sys.stdin.fileno())  # as every job has it
    os.close(nowhere)
    os.chdir(told["folder"])
    os.environ.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), told["folder"]))
    tempfile.tempdir = None  # to be found anew
    return list(told["arguments"])


def _listen(lines: queue.SimpleQueue[str]) -> None:
    """Hand on the line; where none comes, end the program, whatever it is loading."""
    line = sys.stdin.readline()
    if not line:
        os._exit(0)
    lines.put(line)


def _load() -> None:
    from MSLesionSegLib.errors import MSLesionSegError
    from MSLesionSegLib.jobs.own_process import take_process
    from MSLesionSegLib.network.models.model_in_use import model_in_use
    from MSLesionSegLib.network.models.store import find_model, load_model

    take_process()
    with contextlib.suppress(MSLesionSegError):  # the job will say what is wrong with it
        load_model(find_model(model_in_use("flair")))  # for what is loaded with it
    for name in _OF_A_SEARCH:
        importlib.import_module(name)
