"""What the core is asked when a case is filed and when a model is trained; and what the panel remembers about it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import qt

from ..choices import REFERENCE
from ..scene.corrected import draftFile, originalFiles, writeCorrected, writeSegmentation
from ..setup.packages import coreImportable

_FOLDER, _REVIEWER, _TRAINED = ("MSLesionSeg/CasesFolder", "MSLesionSeg/Reviewer", "MSLesionSeg/TrainedCases")


def addArguments(session, folder: Path, work: Path, reviewer: str, minutes: float | None) -> list[str]:
    """Command that files the corrected mask; writes the mask into ``work`` on the original file's grid.

    Slicer's own file of it, which lies on Slicer's axes, goes along for further editing.

    Raises:
        MSLesionSegError: the scan has gone, or the mask does not fit it.
    """
    task = session.record["task"]
    mask = writeCorrected(session, work / "corrected.nii.gz")
    segmentation = writeSegmentation(session, work / "corrected.seg.nrrd")
    arguments = ["cases", "add", "--cases", str(folder), "--task", task, "--mask", str(mask)]
    arguments += ["--segmentation", str(segmentation)]
    files = originalFiles(session, work)
    for name, path in files.items():
        arguments += [f"--{name}", str(path)]
    draft = draftFile(session, files[REFERENCE[task]], work)
    if draft is not None:
        arguments += ["--draft", str(draft), "--model", session.record["model"]["name"]]
    if reviewer:
        arguments += ["--reviewer", reviewer]
    if minutes is not None:
        arguments += ["--minutes", f"{minutes:.1f}"]
    return arguments


def trainArguments(
    folder: Path,
    task: str,
    start: str | None,
    tune: str,
    minutes: float | None,
    replay: bool,
    leaveOneOut: bool,
    device: str,
    settings: Sequence[str] = (),
) -> list[str]:
    """Command that fine-tunes a model on a case set."""
    arguments = ["train", "--cases", str(folder), "--task", task, "--tune", tune, "--device", device]
    if minutes is not None:
        arguments += ["--minutes", f"{minutes:g}"]
    for setting in settings:
        arguments += ["--set", setting]
    if start:
        arguments += ["--from", start]
    if leaveOneOut:
        arguments += ["--leave-one-out"]
    return arguments if replay else [*arguments, "--no-replay"]


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
