"""How long work tells what it is doing, and how it learns that it should stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from MSLesionSegLib.errors import Cancelled


class Progress(Protocol):
    """Receiver of progress. Every method may raise :class:`~MSLesionSegLib.errors.Cancelled`."""

    def stage(self, name: str, fraction: float = 0.0) -> None:
        """Say that stage ``name`` is ``fraction`` (0 to 1) done."""

    def expect(self, seconds: Mapping[str, float]) -> None:
        """Say how long stages that are still to come will take, as measured here, in their order."""

    def metric(self, name: str, value: float, **context: Any) -> None:
        """Report a measured number, such as a validation score."""

    def warning(self, code: str, sentence: str) -> None:
        """Tell the person something that does not stop the work."""


class Silent:
    """A :class:`Progress` that keeps quiet."""

    def stage(self, name: str, fraction: float = 0.0) -> None:
        pass

    def expect(self, seconds: Mapping[str, float]) -> None:
        pass

    def metric(self, name: str, value: float, **context: Any) -> None:
        pass

    def warning(self, code: str, sentence: str) -> None:
        pass


class Relay:
    """A :class:`Progress` that passes everything on; what derives from it changes only what it is about.

    Args:
        progress: receives it.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def stage(self, name: str, fraction: float = 0.0) -> None:
        self._progress.stage(name, fraction)

    def expect(self, seconds: Mapping[str, float]) -> None:
        self._progress.expect(seconds)

    def metric(self, name: str, value: float, **context: Any) -> None:
        self._progress.metric(name, value, **context)

    def warning(self, code: str, sentence: str) -> None:
        self._progress.warning(code, sentence)


class Within(Relay):
    """For one step of a work: its stages, whatever they are called, move one outer stage.

    Args:
        progress: of the work.
        name: of the outer stage.
    """

    def __init__(self, progress: Progress, name: str) -> None:
        super().__init__(progress)
        self._name = name

    def stage(self, name: str, fraction: float = 0.0) -> None:
        self._progress.stage(self._name, fraction)

    def expect(self, seconds: Mapping[str, float]) -> None:
        """Times of inner stages say nothing about the outer one."""


class StopFile:
    """A file whose presence asks work to stop.

    Args:
        file: what is looked for.
        every_s: fastest rhythm of looking, in seconds.
        clock: tells the time in seconds.
    """

    def __init__(self, file: Path, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._every_s, self._clock = file, every_s, clock
        self._looked, self._there = -float("inf"), False

    def check(self) -> None:
        """Raise :class:`~MSLesionSegLib.errors.Cancelled` once the file has been seen."""
        now = self._clock()
        if not self._there and now - self._looked >= self._every_s:
            self._looked, self._there = now, self._file.exists()
        if self._there:
            raise Cancelled
