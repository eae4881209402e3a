"""The training set of this computer: where it lies, what is in it, and what was trained on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qt

from ..setup.packages import coreImportable

_FOLDER, _REVIEWER, _TRAINED = ("MSLesionSeg/CasesFolder", "MSLesionSeg/Reviewer", "MSLesionSeg/TrainedCases")


def listCases(folder: str, task: str | None) -> list[dict[str, Any]]:
    """What the records of a training set say; nothing where there is no set yet."""
    if not folder or not coreImportable():
        return []
    from MSLesionSegLib.cases.case_set import list_cases
    from MSLesionSegLib.errors import MSLesionSegError

    try:
        return [case.summary() for case in list_cases(Path(folder), task).cases]
    except MSLesionSegError:
        return []


def casesFolder() -> str:
    return str(qt.QSettings().value(_FOLDER, "") or "")


def rememberCasesFolder(folder: str) -> None:
    qt.QSettings().setValue(_FOLDER, folder)


def reviewer() -> str:
    return str(qt.QSettings().value(_REVIEWER, "") or "")


def rememberReviewer(code: str) -> None:
    qt.QSettings().setValue(_REVIEWER, code)


def patientsToLearnFrom(folder: str, task: str) -> int:
    """How many patients of a set are trained on."""
    return len({case["subject"] for case in listCases(folder, task) if case["split"] == "training"})


def newCases(folder: str, task: str) -> list[str]:
    """Cases (with their version) that no finished training on this computer has seen."""
    seen = set(_trained().get(_key(folder, task), []))
    return [name for name in _names(folder, task) if name not in seen]


def rememberTrained(folder: str, task: str) -> None:
    """The cases of a set were trained on."""
    trained = dict(_trained())
    trained[_key(folder, task)] = _names(folder, task)
    qt.QSettings().setValue(_TRAINED, json.dumps(trained))


def _names(folder: str, task: str) -> list[str]:
    return [f"{case['case']} v{case['version']}" for case in listCases(folder, task)]


def _key(folder: str, task: str) -> str:
    return f"{Path(folder).resolve()} {task}"


def _trained() -> Mapping[str, list[str]]:
    try:
        return json.loads(str(qt.QSettings().value(_TRAINED, "{}") or "{}"))
    except ValueError:
        return {}
