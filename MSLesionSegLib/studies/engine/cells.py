"""A study is a set of cells: pieces of work with settings and results, each computed once, each resumable."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from MSLesionSegLib.files.atomic import atomic_folder, write_text
from MSLesionSegLib.files.checksums import json_sha256
from MSLesionSegLib.jobs.progress import Progress, Relay, StopFile
from MSLesionSegLib.training.loop.stages import TRAINING
from MSLesionSegLib.training.loop.stopwatch import Stopwatch

DESCRIPTION = "cell.json"
SECONDS = "seconds.json"  # spent so far, in the scratch folder of an unfinished cell
NOTE_EVERY = 5.0  # seconds
STOP = ".stop"  # its presence tells workers on other machines to leave off
_ALONE = threading.Lock()  # torch's random numbers and thread count belong to the process


@dataclass(frozen=True)
class CellContext:
    """What a cell's work is given.

    Attributes:
        out: empty folder for the files that the cell leaves; it takes its final name when the work ends well.
        scratch: folder that stays when the work is interrupted, for checkpoints.
        needs: folder of each finished cell that this one builds on.
        progress: to report to.
    """

    out: Path
    scratch: Path
    needs: Mapping[str, Path]
    progress: Progress


Function = Callable[[dict[str, Any], dict[str, str], CellContext], dict[str, Any]]


class Work(Protocol):
    """A function of a module that :func:`known_as` has named: returns a cell's results (JSON types)."""

    known_as: str

    def __call__(
        self, settings: dict[str, Any], files: dict[str, str], context: CellContext, /
    ) -> dict[str, Any]: ...


def known_as(name: str) -> Callable[[Function], Work]:
    """Give work the name that its finished cells are found by: it stays when the function moves or is renamed."""

    def named(function: Function) -> Work:
        work = cast(Work, function)
        work.known_as = name
        return work

    return named


@dataclass(frozen=True)
class Cell:
    """One piece of work.

    Attributes:
        name: unique in its study, usable as a folder's name.
        work: what computes it.
        settings: all that decides the results (JSON types), fingerprints of the cases included.
        files: where the files are that it reads. They may move: only ``settings`` identify a cell.
        needs: names of the cells that must be finished first.
    """

    name: str
    work: Work
    settings: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class FinishedCell:
    """A computed cell: its results (equal for equal keys on the same machine), and the seconds that it took.

    The seconds of interrupted attempts count, those of a killed one but for its last few.
    """

    name: str
    folder: Path
    results: dict[str, Any]
    seconds: float


def keys_of(cells: Sequence[Cell]) -> dict[str, str]:
    """A key per cell from the name of its work, its settings and the keys of the cells that it needs.

    Cells must come after those that they need.
    """
    keys: dict[str, str] = {}
    for cell in cells:
        content = [cell.work.known_as, cell.settings, [keys[name] for name in cell.needs]]
        keys[cell.name] = json_sha256(content)
    return keys


def read_finished(cell: Cell, key: str, root: Path) -> FinishedCell | None:
    """The cell's result below ``root``, or None where it was not computed, or with other settings."""
    folder = root / "cells" / cell.name
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if content.get("key") != key:
        return None
    return FinishedCell(cell.name, folder, content["findings"], content["seconds"])


def compute(cell: Cell, key: str, root: Path, threads: int, progress: Progress) -> FinishedCell:
    """Compute a cell unless it is finished; the result takes its place in one step.

    A process computes one cell at a time, with ``threads`` threads: the order of sums depends on their number.
    """
    import torch

    with _ALONE:
        done = read_finished(cell, key, root)
        if done is not None:
            return done
        torch.set_num_threads(threads)
        target = root / "cells" / cell.name
        scratch = root / "scratch" / cell.name
        scratch.mkdir(parents=True, exist_ok=True)
        timed = _Timed(progress, scratch / SECONDS, key)
        try:
            with atomic_folder(target) as out:
                needs = {name: root / "cells" / name for name in cell.needs}
                results = cell.work(cell.settings, cell.files, CellContext(out, scratch, needs, timed))
                seconds = round(timed.clock.seconds, 2)
                content = {"key": key, "settings": cell.settings, "findings": results, "seconds": seconds}
                text = json.dumps(content, indent=1, allow_nan=False)
                (out / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
        finally:
            timed.note()
        shutil.rmtree(scratch, ignore_errors=True)
    return FinishedCell(cell.name, target, json.loads(text)["findings"], seconds)


class _Timed(Relay):
    """The :class:`Progress` of a cell that keeps the seconds spent on it, for the case that it is interrupted."""

    def __init__(self, progress: Progress, file: Path, key: str) -> None:
        super().__init__(progress)
        self._file, self._key = file, key
        self.clock = Stopwatch(self._before())
        self._noted = time.monotonic()

    def _before(self) -> float:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0.0
        return content["seconds"] if content["key"] == self._key else 0.0

    def note(self) -> None:
        """Write down the seconds until now."""
        self._noted = time.monotonic()
        write_text(self._file, json.dumps({"key": self._key, "seconds": self.clock.seconds}))

    def stage(self, name: str, fraction: float = 0.0) -> None:
        if time.monotonic() - self._noted > NOTE_EVERY:
            self.note()
        super().stage(name, fraction)


class CellProgress(Relay):
    """The :class:`Progress` inside a cell: its training moves one stage of the study by one share of it.

    Args:
        progress: of the study.
        stage, index, count: the stage of the study, and which of how many cells this is.
        name: of the cell.
        stop: file that cancels.
    """

    def __init__(self, progress: Progress, stage: str, index: int, count: int, name: str, stop: Path) -> None:
        super().__init__(progress)
        self._stage, self._index, self._count = stage, index, count
        self._name, self._stop = name, StopFile(stop, every_s=1.0)
        self._fraction = 0.0

    def stage(self, name: str, fraction: float = 0.0) -> None:
        self._stop.check()
        self._fraction = max(self._fraction, fraction if name == TRAINING else 0.0)
        super().stage(self._stage, (self._index + 0.95 * self._fraction) / self._count)

    def expect(self, seconds: Mapping[str, float]) -> None:
        """A cell's time says nothing about the study's."""

    def metric(self, name: str, value: float, **context: Any) -> None:
        super().metric(name, value, cell=self._name, **context)

    def warning(self, code: str, sentence: str) -> None:
        super().warning(code, f"{self._name}: {sentence}")
