"""``python -m MSLesionSegLib`` as a forked process that has imported what commands need, and so begins at once.

Whoever starts the command by ``subprocess`` gets a process of its own as ever, with its own number, streams and exit
code, which can be killed alone or with its group.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe, current_process
from multiprocessing.connection import Connection
from typing import Any
from unittest import mock

from support.worker_processes import FORKS, ForkedProcess, forked_instead_of_spawned

COMMAND = [sys.executable, "-m", "MSLesionSegLib"]
_PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
_one_at_a_time = threading.RLock()  # in which processes are started and asked whether they have ended
_original = subprocess.Popen


class _Popen(subprocess.Popen):
    """Starts the command by forking, and everything else as ever."""

    _forked: ForkedProcess | None = None

    def _execute_child(self, *given: Any) -> None:
        asked = inspect.signature(_original._execute_child).bind(self, *given).arguments
        command = list(map(str, asked["args"]))
        if command[:3] != COMMAND or asked["preexec_fn"] or not FORKS:
            super()._execute_child(*given)
            return
        streams = [asked[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        inherited = [number if stream == -1 else stream for number, stream in enumerate(streams)]
        copies = [Connection(os.dup(stream)) for stream in inherited]
        begun, begins = Pipe(duplex=False)
        work = (command[3:], copies, begins, asked["cwd"] or os.getcwd(), asked["start_new_session"])
        with _one_at_a_time:
            self._forked = ForkedProcess(target=_command, args=work, daemon=True)
            self._forked.environment = dict(os.environ if asked["env"] is None else asked["env"])
            self._forked.start()
        for end in (*copies, begins):
            end.close()
        with begun, contextlib.suppress(EOFError):
            begun.recv_bytes()
        self.pid = self._forked.pid
        self._child_created = True
        self._close_pipe_fds(*(asked[name] for name in _PIPES))

    def _internal_poll(self, *arguments: Any, **settings: Any) -> int | None:
        if self._forked is None:
            return super()._internal_poll(*arguments, **settings)
        with _one_at_a_time:
            self.returncode = self._forked.exitcode
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        if self._forked is None:
            return super()._wait(timeout)
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.01)
        return self.returncode


def _command(
    arguments: Sequence[str], streams: Sequence[Connection], begins: Connection, folder: str, session: bool
) -> None:
    """What the forked process does."""
    from multiprocessing import forkserver

    if session:
        os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    os.chdir(folder)
    begins.send_bytes(b".")
    begins.close()
    sys.stdin = os.fdopen(0, encoding="utf-8")
    sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1)
    tempfile.tempdir = None  # to be found anew
    current_process().daemon = False  # may have workers
    forkserver._forkserver.ensure_running = lambda: None  # which are forked from the same process
    sys.argv = ["mslesionseg", *arguments]
    with forked_instead_of_spawned(), forked_commands():
        runpy.run_module("MSLesionSegLib", run_name="__main__", alter_sys=True)


@contextmanager
def forked_commands() -> Iterator[None]:
    """Within it, the command begins at once, where processes can be forked."""
    with mock.patch.object(subprocess, "Popen", _Popen):
        yield
