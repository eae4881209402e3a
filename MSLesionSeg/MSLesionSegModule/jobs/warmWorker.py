"""A process of the core that has loaded what a search needs before somebody asks for one."""

import contextlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .coreProcess import endProcess, startCore


class WarmWorker:
    """Waits beside Slicer for one job. It ends by itself when Slicer ends, in whatever way."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._environment: Mapping[str, str] = {}

    def start(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Start it, unless it waits already. ``folder``: the working folder of this Slicer session."""
        if self._process is None or self._process.poll() is not None:
            (folder / "waiting").mkdir(exist_ok=True)
            self._process = startCore(["--await-job"], folder / "waiting", environment, stdin=subprocess.PIPE)
            self._environment = environment

    def take(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen | None:
        """The process, which from now on does this job in ``folder``; None where none waits that could."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return None
        if environment == self._environment:
            told = json.dumps({"arguments": list(arguments), "folder": str(folder)})
            with contextlib.suppress(OSError):  # it has just died
                process.stdin.write(f"{told}\n".encode())
                process.stdin.close()
                return process
        endProcess(process)
        return None

    def end(self) -> None:
        """End it, if it waits."""
        process, self._process = self._process, None
        if process is not None:
            endProcess(process)
