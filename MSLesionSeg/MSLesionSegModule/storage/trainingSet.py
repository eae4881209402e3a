"""The training set of this computer: where it lies, what is in it, and what was trained on."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt

from ..setup.packages import coreImportable
from ..widgets.signals import Signal
from .background import Background

_FOLDER, _REVIEWER, _TRAINED = ("MSLesionSeg/CasesFolder", "MSLesionSeg/Reviewer", "MSLesionSeg/TrainedCases")


@dataclass(frozen=True)
class Listing:
    """What a folder's records said. ``place``: how the disk calls it; ``stamp``: when they were written."""

    folder: str
    place: str = ""
    stamp: tuple = ()
    cases: tuple[dict[str, Any], ...] = ()


class TrainingSet:
    """Knows what was read last; ``look`` reads again. ``changed``: signal: another folder, or other cases."""

    def __init__(self) -> None:
        self.changed = Signal()
        self._listing = Listing("")
        self._background = Background(self._take)

    @property
    def reading(self) -> bool:
        """Whether nothing is known yet of the folder that is chosen."""
        return self._listing.folder != casesFolder()

    def choose(self, folder: str) -> None:
        """Take another folder for the training set."""
        rememberCasesFolder(folder)
        self.look()
        self.changed.emit()

    def look(self) -> None:
        """Read what is in the folder, unless nothing was written there since."""
        folder, before = casesFolder(), self._listing
        if not folder or not coreImportable():
            self._background.stop()
            self._take(Listing(folder))
            return
        from MSLesionSegLib.cases import case_set

        self._background.ask(lambda: _read(case_set, folder, before))

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._background.stop()

    def cases(self, task: str | None = None) -> list[dict[str, Any]]:
        """What the records say; nothing while they are read, and where there is no set yet."""
        cases = () if self.reading else self._listing.cases
        return [case for case in cases if task in (None, case["task"])]

    def patientsToLearnFrom(self, task: str) -> int:
        """How many patients are trained on."""
        return len({case["subject"] for case in self.cases(task) if case["split"] == "training"})

    def hasValidation(self, task: str) -> bool:
        """Whether there are cases to check a model with."""
        return any(case["split"] == "validation" for case in self.cases(task))

    def newCases(self, task: str) -> list[str]:
        """Cases (with their version) that no finished training on this computer has seen."""
        seen = set(_trained().get(self._key(task), []))
        return [name for name in self._names(task) if name not in seen]

    def asTrained(self, task: str) -> tuple[str, list[str]]:
        """What is to be remembered once the cases of now were trained on."""
        return self._key(task), self._names(task)

    def _names(self, task: str) -> list[str]:
        return [f"{case['case']} v{case['version']}" for case in self.cases(task)]

    def _key(self, task: str) -> str:
        return f"{self._listing.place} {task}"

    def _take(self, listing: Listing) -> None:
        if listing != self._listing:
            self._listing = listing
            self.changed.emit()


def casesFolder() -> str:
    return str(qt.QSettings().value(_FOLDER, "") or "")


def rememberCasesFolder(folder: str) -> None:
    qt.QSettings().setValue(_FOLDER, folder)


def reviewer() -> str:
    return str(qt.QSettings().value(_REVIEWER, "") or "")


def rememberReviewer(code: str) -> None:
    qt.QSettings().setValue(_REVIEWER, code)


def rememberTrained(key: str, names: list[str]) -> None:
    """Keep on this computer which cases a training has seen; see :meth:`TrainingSet.asTrained`."""
    qt.QSettings().setValue(_TRAINED, json.dumps({**_trained(), key: names}))


def _read(case_set, folder: str, before: Listing) -> Listing:
    """List a folder; what was listed before is given back if no record was written since."""
    from MSLesionSegLib.cases import layout
    from MSLesionSegLib.errors import MSLesionSegError

    path, stamp, cases = Path(folder), (), ()
    with contextlib.suppress(MSLesionSegError, OSError):  # no set yet, or none that can be read
        written = [path / layout.PARTICIPANTS, path / layout.SPLITS, *case_set.records(path)]
        stamp = tuple((str(file), file.stat().st_mtime_ns) for file in written)
        if (folder, stamp) == (before.folder, before.stamp):
            return before
        cases = tuple(case.summary() for case in case_set.list_cases(path).cases)
    return Listing(folder, str(path.resolve()), stamp, cases)


def _trained() -> Mapping[str, list[str]]:
    try:
        return json.loads(str(qt.QSettings().value(_TRAINED, "{}") or "{}"))
    except ValueError:
        return {}
