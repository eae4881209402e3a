"""One protocol for every long action: request in, events out, cancel by signal or stop file, exit code back.

The terminal, the Slicer panel and a cluster scheduler all read the same events. With ``--events`` each one is
a JSON object on a line of its own on standard output::

    {"event": "started", "command": "segment flair", "version": "0.1.0", "pid": 71, "stages": [...]}
    {"event": "progress", "stage": "find lesions", "stage_fraction": 0.5,
     "fraction": 0.42, "elapsed_s": 9.1, "eta_s": 12.6}
    {"event": "metric", "name": "dice", "value": 0.71, "epoch": 3}
    {"event": "warning", "code": "thick-slices", "sentence": "..."}
    {"event": "result", "elapsed_s": 21.5, ...}
    {"event": "error", "code": "image", "sentence": "..."}

The last line is always ``result`` or ``error``. Exit codes: see :class:`ExitCode`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from MSLesionSegLib import __version__
from MSLesionSegLib.errors import Cancelled, MSLesionSegError
from MSLesionSegLib.jobs.own_process import take_process
from MSLesionSegLib.jobs.progress import StopFile
from MSLesionSegLib.jobs.standard_streams import abandon
from MSLesionSegLib.jobs.terminal_bar import TerminalBar

T = TypeVar("T")
Event = dict[str, Any]

NOTHING_WRITTEN = "Cancelled. Nothing was written."


class ExitCode(IntEnum):
    """What a command's exit status means."""

    DONE = 0
    USER_ERROR = 1  # the sentence says what to do
    USAGE = 2  # the command line itself was wrong
    BUG = 3  # the traceback is on standard error
    CANCELLED = 130


class Job:
    """The :class:`~MSLesionSegLib.jobs.progress.Progress` of one running command.

    ``stages`` maps each stage, in order, to its expected share of the time (any unit, only ratios count), or to None
    where nobody can know before :meth:`expect`; until then no remaining time is told.
    Cancelling is cooperative: a signal or the stop file is noticed at the next call, which raises
    :class:`Cancelled`, so that work is only ever left at a place where it can be left. ``ended`` is True from
    the moment when the result or the failure is announced.
    """

    _EVERY_S = 0.2  # fastest rhythm of progress lines and of looking for the stop file
    _ETA_FROM = 0.03  # below this fraction a remaining time would be a guess

    def __init__(
        self,
        command: str,
        stages: Mapping[str, float | None],
        emit: Callable[[Event], None],
        stop_file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.command = command
        known = sum(share for share in stages.values() if share is not None)
        self._stages = {name: 4 * known if share is None else share for name, share in stages.items()}
        self._unknown = {name for name, share in stages.items() if share is None}
        self._measured: dict[str, float] = {}
        self._measured_at = self._reached = 0.0
        self._since: tuple[float, float] | None = None
        self._emit = emit
        self._stop = None if stop_file is None else StopFile(stop_file, self._EVERY_S, clock)
        self._clock = clock
        self._begin = clock()
        self._fraction = 0.0
        self._stage = ""
        self._last_line = -float("inf")
        self._cancelled = False
        self.ended = False

    @property
    def elapsed_s(self) -> float:
        """Seconds since the job began."""
        return self._clock() - self._begin

    def start(self) -> None:
        """Announce the job."""
        stages = list(self._stages)
        self._send(
            {"event": "started", "command": self.command, "version": __version__, "pid": os.getpid()}
            | {"stages": stages}
        )

    def cancel(self) -> None:
        """Ask the job to stop at its next report. Safe in a signal handler and from another thread."""
        self._cancelled = True

    def stage(self, name: str, fraction: float = 0.0) -> None:
        """Report that stage ``name`` is ``fraction`` (0 to 1) done. The overall fraction never goes back."""
        self._check()
        fraction = min(max(float(fraction), 0.0), 1.0)
        position = _position(self._measured, name, fraction)
        if position is None and self._measured:  # a step inside a measured stage
            position = self._reached
        self._reached = position or 0.0
        self._fraction = max(self._fraction, self._overall(name, fraction, position))
        now = self._clock()
        if name == self._stage and fraction < 1.0 and now - self._last_line < self._EVERY_S:
            return
        self._stage, self._last_line = name, now
        self._send(
            {
                "event": "progress",
                "stage": name,
                "stage_fraction": round(fraction, 4),
                "fraction": round(self._fraction, 4),
                "elapsed_s": round(self.elapsed_s, 2),
                "eta_s": self._eta(position),
            }
        )

    def expect(self, seconds: Mapping[str, float]) -> None:
        """Take over measured times of the stages that are still to come; the remaining time follows from them."""
        self._measured, self._measured_at, self._since = dict(seconds), self.elapsed_s, None
        self._reached = 0.0
        self._unknown -= seconds.keys()

    def metric(self, name: str, value: float, **context: Any) -> None:
        """Report a measured number with what it belongs to, such as ``epoch=3``."""
        self._check()
        self._send({**context, "event": "metric", "name": name, "value": value})

    def warning(self, code: str, sentence: str) -> None:
        """Tell the person something that does not stop the work."""
        self._check()
        self._send({"event": "warning", "code": code, "sentence": sentence})

    def result(self, **content: Any) -> None:
        """Announce the end. Not a place to cancel or to fail: the result stands on the disk already."""
        self._end({**content, "event": "result", "elapsed_s": round(self.elapsed_s, 2)})

    def error(self, code: str, sentence: str) -> None:
        """Announce the failure."""
        self._end({"event": "error", "code": code, "sentence": sentence})

    def _end(self, event: Event) -> None:
        self.ended = True
        with contextlib.suppress(OSError):  # the reader may be the very thing that has gone
            self._emit(event)

    def _overall(self, name: str, fraction: float, position: float | None) -> float:
        if position is not None:
            return (self._measured_at + position) / (self._measured_at + sum(self._measured.values()))
        place = _position(self._stages, name, fraction)
        return self._fraction if place is None else place / sum(self._stages.values())

    def _eta(self, position: float | None) -> float | None:
        if position is not None:
            return self._measured_eta(position)
        if self._unknown or self._fraction < self._ETA_FROM:
            return None
        return round(self.elapsed_s * (1.0 - self._fraction) / self._fraction, 1)

    def _measured_eta(self, position: float) -> float:
        """Measured seconds that are left, at the pace of those that have passed since the first report."""
        total = sum(self._measured.values())
        self._since = self._since or (self.elapsed_s, position)
        ran, passed = self.elapsed_s - self._since[0], position - self._since[1]
        pace = ran / passed if passed > self._ETA_FROM * total else 1.0
        return round((total - position) * pace, 1)

    def _check(self) -> None:
        if self._cancelled:
            raise Cancelled
        if self._stop is not None:
            self._stop.check()

    def _send(self, event: Event) -> None:
        try:
            self._emit(event)
        except BrokenPipeError:  # nobody is left to read the result
            raise Cancelled from None


def _position(stages: Mapping[str, float], name: str, fraction: float) -> float | None:
    """How far it is from the first of some stages to a place in one of them; None if it is none of them."""
    before = 0.0
    for stage, length in stages.items():
        if stage == name:
            return before + length * fraction
        before += length
    return None


@dataclass(frozen=True)
class JobOutcome(Generic[T]):
    """How a job ended: the exit code, and what the work returned if it ended well."""

    code: ExitCode
    value: T | None = None


def run_job(
    command: str,
    work: Callable[[Job], T],
    *,
    stages: Mapping[str, float | None],
    describe: Callable[[T], dict[str, Any]] = lambda value: {},
    events: bool = False,
    stop_file: Path | None = None,
    cancelled: str = NOTHING_WRITTEN,
) -> JobOutcome[T]:
    """Run ``work`` as a job and turn every way it can end into events and an exit code.

    ``describe`` gives the content of the ``result`` event (JSON types). With ``events`` the lines go to
    standard output and whatever libraries print goes to standard error; without, a progress bar is shown.
    ``cancelled`` is the sentence for a person who stopped the work: it says what stays on the disk.
    """
    take_process()
    with _sink(events) as emit:
        job = Job(command, stages, emit, stop_file)
        with _signals(job):
            try:
                job.start()
                value = work(job)
                job.result(**describe(value))
                return JobOutcome(ExitCode.DONE, value)
            except Cancelled:
                job.error(Cancelled.code, cancelled)
                return JobOutcome(ExitCode.CANCELLED)
            except MSLesionSegError as error:
                job.error(error.code, str(error))
                return JobOutcome(ExitCode.USER_ERROR)
            except Exception as error:
                if out_of_memory(error):
                    job.error("memory", MEMORY_SENTENCE)
                    return JobOutcome(ExitCode.USER_ERROR)
                traceback.print_exc(file=sys.stderr)
                job.error("bug", f"Internal error ({type(error).__name__}: {error}). Please report it.")
                return JobOutcome(ExitCode.BUG)


MEMORY_SENTENCE = "The computer ran out of memory. Close other programs, or choose the CPU if a GPU was used."


def out_of_memory(error: Exception) -> bool:
    # torch raises plain RuntimeErrors when a processor's memory ends, or that of a card's libraries
    texts = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
    )


@contextlib.contextmanager
def _signals(job: Job) -> Iterator[None]:
    """Ctrl-C and SIGTERM cancel at the next report; a second Ctrl-C cancels on the spot."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    asked = False

    def on_signal(number: int, frame: object) -> None:
        nonlocal asked
        if asked and not job.ended:
            raise Cancelled
        asked = True
        job.cancel()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _sink(events: bool) -> Iterator[Callable[[Event], None]]:
    if not events:
        bar = TerminalBar()
        try:
            yield bar
        finally:
            bar.close()
        return
    stream = sys.stdout

    def write(event: Event) -> None:
        line = json.dumps(event, ensure_ascii=True, allow_nan=False, default=str) + "\n"
        try:
            stream.write(line)
            stream.flush()
        except OSError:
            abandon(stream)
            raise

    with contextlib.redirect_stdout(sys.stderr):
        yield write
