"""A command of this program as a child process, seen by its events."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from MSLesionSegLib.errors import Cancelled, MSLesionSegError
from MSLesionSegLib.files.foreign_json import ForeignJsonError, parse_json

CANCELLED = Cancelled.code


class ChildError(MSLesionSegError):
    """The command failed; ``code`` is that of its error event, ``killed`` where it ended without one."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def run_command(
    arguments: Sequence[str], folder: Path, stop: Path, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Run a command to its end; the content of its result event.

    Args:
        arguments: of ``mslesionseg``, but those of the job protocol.
        folder: for what it prints beside its events.
        stop: file that cancels it when it appears.
        environment: what to change in that of this process.

    Raises:
        ChildError: it failed, was cancelled or killed.
    """
    command = [sys.executable, "-m", "MSLesionSegLib", *arguments, "--events", "--stop-file", str(stop)]
    last: dict[str, Any] = {}
    with (folder / "stderr.txt").open("ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **environment},
            start_new_session=True,  # Ctrl-C is for this process, which tells its children
        )
        assert child.stdout is not None
        for line in child.stdout:
            try:
                last = parse_json(line)
            except ForeignJsonError:
                continue
        child.wait()
    if child.returncode == 0 and last.get("event") == "result":
        return last
    if last.get("event") == "error":
        raise ChildError(last["code"], last["sentence"])
    raise ChildError("killed", f"The job ended without a word (exit code {child.returncode}).")
