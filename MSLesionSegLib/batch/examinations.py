"""The examinations of a BIDS dataset, and which of their files a task takes; for changes, two in a row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from MSLesionSegLib.batch.session_order import in_order_of_names, in_order_of_time
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.training.layout import InputFile, kind_of

_ENDINGS = (".nii.gz", ".nii")
_ENTITY = re.compile(r"[A-Za-z]+-[A-Za-z0-9]+")
_ONE_ONLY = "There is only one examination with the scan that is needed; a comparison needs two."


@dataclass(frozen=True)
class Examination:
    """One session of one participant.

    Attributes:
        participant: ``sub-...``.
        session: ``ses-...``, or empty where the dataset has no sessions.
        inputs: file by input name of the task.
        problem: a sentence why the task cannot be done on it, or empty.
        baseline: session that this one is compared with, where the task compares two.
    """

    participant: str
    session: str
    inputs: dict[str, Path]
    problem: str = ""
    baseline: str = ""

    @property
    def name(self) -> str:
        """What it is called towards people."""
        return " ".join(part for part in (self.participant, self.session) if part)

    @property
    def before(self) -> str:
        """Name of the examination that it is compared with; empty where the task compares none."""
        return f"{self.participant} {self.baseline}" if self.baseline else ""

    @property
    def folder(self) -> Path:
        """Where its result lies below the derivatives."""
        return Path(self.participant, self.session, "anat")


def find_examinations(
    dataset: Path, task: str, participants: Sequence[str] = (), entities: Sequence[str] = ()
) -> list[Examination]:
    """All examinations of a dataset in the order of their names, complete for the task or with a ``problem``.

    Args:
        dataset: a BIDS dataset: scans under ``sub-*/[ses-*/]anat``.
        task: of the task table. One that compares two takes those that follow each other in time.
        participants: only these, with or without ``sub-``; all when empty.
        entities: such as ``acq-3D``: only files that have all of them in their names.

    Raises:
        SettingsError: the folder is no BIDS dataset, or a participant or an entity is not there.
    """
    for entity in entities:
        if not _ENTITY.fullmatch(entity):
            raise SettingsError(f"'{entity}' is no part of a BIDS name. Give one such as acq-3D.")
    found = sorted(path for path in dataset.glob("sub-*") if path.is_dir())
    if not found:
        raise SettingsError(f"{dataset} is no BIDS dataset: it has no folders sub-*.")
    wanted = {f"sub-{label.removeprefix('sub-')}" for label in participants}
    missing = sorted(wanted - {path.name for path in found})
    if missing:
        raise SettingsError(f"{dataset} has no participant {missing[0].removeprefix('sub-')}.")
    chosen = [path for path in found if not wanted or path.name in wanted]
    inputs = kind_of(task).inputs
    if any(entry.visit for entry in inputs):
        return [pair for subject in chosen for pair in _comparisons(subject, *inputs, entities=entities)]
    return [_examination(path, inputs, entities) for subject in chosen for path in _sessions(subject)]


def _sessions(subject: Path) -> list[Path]:
    return in_order_of_names([path for path in subject.glob("ses-*") if path.is_dir()]) or [subject]


def _names(folder: Path) -> tuple[str, str]:
    """Participant and session of an examination's folder; a session may be missing."""
    return (folder.parent.name, folder.name) if folder.name.startswith("ses-") else (folder.name, "")


def _examination(folder: Path, entries: Sequence[InputFile], entities: Sequence[str]) -> Examination:
    inputs: dict[str, Path] = {}
    problems = []
    for entry in entries:
        path, problem = _one_file(folder, entry, entities)
        if path is not None:
            inputs[entry.name] = path
        elif problem:
            problems.append(problem)
    return Examination(*_names(folder), inputs, " ".join(problems))


def _comparisons(
    subject: Path, before: InputFile, after: InputFile, *, entities: Sequence[str]
) -> list[Examination]:
    """Each examination of a participant beside the one before it that has the scan."""
    sessions = _sessions(subject)
    wanted = replace(after, name=after.suffix)
    scans = {folder: _one_file(folder, wanted, entities) for folder in sessions}
    found = [
        Examination(*_names(folder), {}, problem) for folder, (path, problem) in scans.items() if path is None
    ]
    there = {folder: path for folder, (path, _) in scans.items() if path is not None}
    ordered, doubt = in_order_of_time(subject, there)
    if doubt:
        return [*found, Examination(subject.name, "", {}, doubt)]
    if len(ordered) == 1:
        return [*found, Examination(*_names(ordered[0]), {}, _ONE_ONLY)]
    for first, second in pairwise(ordered):
        inputs = {before.name: there[first], after.name: there[second]}
        found.append(Examination(*_names(second), inputs, baseline=_names(first)[1]))
    place = {_names(folder)[1]: number for number, folder in enumerate(sessions)}
    return sorted(found, key=lambda exam: place[exam.session])


def _one_file(folder: Path, entry: InputFile, entities: Sequence[str]) -> tuple[Path | None, str]:
    """The file for an input, or why there is none (empty where none is needed)."""
    files = [path for path in sorted((folder / "anat").glob("sub-*")) if _fits(path, entry, entities)]
    if len(files) == 1:
        return files[0], ""
    if files:
        names = ", ".join(path.name for path in files[:3])
        return None, (
            f"There are {len(files)} files for the input {entry.name} ({names}). "
            "Choose one with --entity, such as --entity acq-3D."
        )
    return None, "" if entry.optional else f"There is no *_{entry.suffix} file for the input {entry.name}."


def _fits(path: Path, entry: InputFile, entities: Sequence[str]) -> bool:
    ending = next((ending for ending in _ENDINGS if path.name.endswith(ending)), None)
    if ending is None:
        return False
    *parts, suffix = path.name.removesuffix(ending).split("_")
    contrast = any(part.startswith("ce-") for part in parts)
    return (
        suffix == entry.sequence
        and contrast == entry.suffix.startswith("ce-")
        and all(entity in parts for entity in entities)
    )
