"""A command of the core as a child process: events in, cancelling out, the scene's process never blocked."""

import json
import queue
import shutil
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from .coreProcess import coreEnvironment, endProcess, startCore
from .warmWorker import WarmWorker

RUNNING, CANCELLING, DONE, FAILED, CANCELLED = "running", "cancelling", "done", "failed", "cancelled"
_LOG_LINES = 500
_STEPS_S = 0.02  # for steps of a completion in one poll; one that has begun is not broken off
_CANCELLED_CODE = "cancelled"


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended.

    ``state``: DONE, FAILED or CANCELLED. ``result``: the content of its result event if it is DONE, else empty.
    ``sentence``: what to tell the person if it is not.
    """

    state: str
    result: dict[str, Any]
    sentence: str = ""


class Job:
    """One run of ``python -m MSLesionSegLib ARGUMENTS --events``, read by polling.

    ``folder`` is where it works and keeps what it needs meanwhile: if it is killed, nothing of it lies elsewhere.

    Nothing happens between two calls of :meth:`poll`, which returns at once: the panel calls it from a timer, a
    script in a loop. Cancelling asks by stop file first; a process that does not stop within ``graceS`` seconds is
    ended with all its children. ``completion()`` gives the steps that remain to be done here with a good result,
    such as bringing it into the scene: each poll does a few, and the job is done after the last. ``worker`` may do
    it at once; where it does not wait, a new process is started.

    Example::

        job = Job(["segment", "flair", "--flair", "scan.nii.gz", "-o", "out"], folder, onEvent=print)
        outcome = job.wait()
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        onEvent: Callable[[dict[str, Any]], None] = lambda event: None,
        onFinished: Callable[[JobOutcome], None] = lambda outcome: None,
        environment: Mapping[str, str] | None = None,
        stoppable: bool = True,
        graceS: float = 15.0,
        completion: Callable[[], Generator[None, None, None]] | None = None,
        worker: WarmWorker | None = None,
    ) -> None:
        self.arguments = list(arguments)
        self.log: deque[str] = deque(maxlen=_LOG_LINES)
        self.state = RUNNING
        self.outcome: JobOutcome | None = None
        self._onEvent = onEvent
        self._onFinished = onFinished
        self._completion = completion
        self._completing: Generator[None, None, None] | None = None
        self._graceS = graceS
        self._cancelledAt: float | None = None
        self._last: dict[str, Any] = {}
        self._lastWords = ""  # on the error stream, where a crash is told
        self._lines: queue.Queue[tuple[str, str | None]] = queue.Queue()
        self._open = 2
        self._folder = Path(tempfile.mkdtemp(prefix="job-", dir=folder))
        self._stopFile = self._folder / "stop"
        arguments = [*self.arguments, "--events"]
        if stoppable:
            arguments += ["--stop-file", str(self._stopFile)]
        environment = coreEnvironment() if environment is None else environment
        taken = None if worker is None else worker.take(arguments, self._folder, environment)
        self._process = taken or startCore(arguments, self._folder, environment)
        for name, stream in (("events", self._process.stdout), ("log", self._process.stderr)):
            threading.Thread(target=self._read, args=(name, stream), daemon=True).start()

    def poll(self) -> bool:
        """Hand on what has arrived; True while the job goes on."""
        if self.outcome is not None:
            return False
        if self._completing is not None:
            self._complete()
            return self.outcome is None
        while True:
            try:
                name, line = self._lines.get_nowait()
            except queue.Empty:
                break
            if line is None:
                self._open -= 1
            elif name == "events":
                self._event(line)
            else:
                self.log.append(line)
                self._lastWords = line.strip() or self._lastWords
        if self._open == 0 and self._process.poll() is not None:
            self._ended()
            return self.outcome is None
        if self._cancelledAt is not None and time.monotonic() - self._cancelledAt > self._graceS:
            self.kill()
        return True

    def wait(self, idle: Callable[[], None] = lambda: None) -> JobOutcome:
        """Wait for the end, calling ``idle`` meanwhile. For scripts; the panel polls."""
        while self.poll():
            idle()
            time.sleep(0.05)
        assert self.outcome is not None
        return self.outcome

    def cancel(self) -> None:
        """Ask the job to stop."""
        if self.state == RUNNING:
            self.state = CANCELLING
            self._cancelledAt = time.monotonic()
            self._stopFile.touch()

    def kill(self) -> None:
        """End the process and its children now."""
        if self._process.poll() is not None:
            return
        self.state = CANCELLING
        endProcess(self._process)

    def abandon(self) -> None:
        """End the process and its children now, do nothing with a result and tell nobody."""
        self._onEvent = lambda event: None
        self._onFinished = lambda outcome: None
        self.state = CANCELLING  # nothing more is done with a result
        self.kill()
        self.wait()

    def _read(self, name: str, stream: Any) -> None:
        for raw in stream:
            self._lines.put((name, raw.decode("utf-8", "replace").rstrip("\r\n")))
        stream.close()
        self._lines.put((name, None))

    def _event(self, line: str) -> None:
        try:
            event = json.loads(line)
            event["event"]
        except (ValueError, KeyError, TypeError):
            self.log.append(line)
            return
        self._last = event
        if event["event"] == "error":
            self.log.append(event["sentence"])
        self._onEvent(event)

    def _ended(self) -> None:
        kind = self._last.get("event")
        if self._process.returncode == 0 and kind == "result":
            if self._completion is None:
                self._finish(JobOutcome(DONE, self._last))
            else:
                self._completing = self._completion()
        elif self.state == CANCELLING or self._last.get("code") == _CANCELLED_CODE:
            self._finish(JobOutcome(CANCELLED, {}, self._last.get("sentence", "")))
        else:
            self._finish(JobOutcome(FAILED, {}, self._failure(kind)))

    def _complete(self) -> None:
        """Do some steps of the completion."""
        if self.state == CANCELLING:
            self._completing.close()
            self._finish(JobOutcome(CANCELLED, {}))
            return
        enough = time.monotonic() + _STEPS_S
        try:
            while time.monotonic() < enough:
                next(self._completing)
        except StopIteration:
            self._finish(JobOutcome(DONE, self._last))
        except Exception as error:
            if not isinstance(error, MSLesionSegError):  # whose sentence says it all
                self.log.extend(traceback.format_exc().splitlines())
            self._finish(JobOutcome(FAILED, {}, str(error)))

    def _finish(self, outcome: JobOutcome) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self.outcome = outcome
        self.state = outcome.state
        self._onFinished(outcome)

    def _failure(self, kind: str | None) -> str:
        if kind == "error":
            return str(self._last["sentence"])
        ended = _("The work ended unexpectedly (exit code {code}).").format(code=self._process.returncode)
        return f"{ended} {self._lastWords}".strip()
