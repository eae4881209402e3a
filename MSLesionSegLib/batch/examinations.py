"""The examinations of a BIDS dataset, and which of their files a task takes; for changes, two in a row."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from MSLesionSegLib.batch.bids_names import check_entities, fits, has_all, what_tells_apart
from MSLesionSegLib.batch.session_order import in_order_of_names, in_order_of_time
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.tasks import InputScan, get_task

_NO_SESSION = (
    "Its scan lies beside the sessions, so it is not known when it was made, and it is compared with none. Move it "
    "into a session of its own."
)
ONE_ONLY = "There is only one examination with the scan that is needed; a comparison needs two."


@dataclass(frozen=True)
class Examination:
    """One session of one participant.

    Attributes:
        participant: ``sub-...``.
        session: ``ses-...``, or empty where the dataset has no sessions.
        inputs: file by input name of the task.
        problem: a sentence why the task cannot be done on it, or empty.
        baseline: session that this one is compared with, where the task compares two.
        stem: start of the names of its files; None where the scan's name tells it.
        remarks: what was noticed when its scans were chosen.
    """

    participant: str
    session: str
    inputs: dict[str, Path]
    problem: str = ""
    baseline: str = ""
    stem: str | None = None
    remarks: tuple[InputWarning, ...] = ()

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
        entities: see :func:`~MSLesionSegLib.batch.bids_names.has_all`.

    Raises:
        SettingsError: the folder is no BIDS dataset, or a participant or an entity is not there.
    """
    check_entities(entities)
    found = sorted(path for path in dataset.glob("sub-*") if path.is_dir()) if os.path.isdir(dataset) else []
    if not found:
        raise SettingsError(
            f"{dataset} is not a BIDS dataset: it has no folders sub-*. Nor does it hold DICOM images."
        )
    wanted = {f"sub-{label.removeprefix('sub-')}" for label in participants}
    missing = sorted(wanted - {path.name for path in found})
    if missing:
        raise no_participant(dataset, missing[0])
    chosen = [path for path in found if not wanted or path.name in wanted]
    inputs = get_task(task).inputs
    if get_task(task).compares:
        return [pair for subject in chosen for pair in _comparisons(subject, *inputs, entities=entities)]
    return [_examination(path, inputs, entities) for subject in chosen for path in _sessions(subject, inputs)]


def no_participant(dataset: Path, participant: str) -> SettingsError:
    """Say that a participant is not there."""
    return SettingsError(f"{dataset} has no participant {participant.removeprefix('sub-')}.")


def _sessions(subject: Path, inputs: Sequence[InputScan]) -> list[Path]:
    """Folders of a participant's examinations: sessions, and what was put beside them and is complete by itself."""
    sessions = in_order_of_names([path for path in subject.glob("ses-*") if path.is_dir()])
    files = list((subject / "anat").glob("sub-*"))
    beside = all(not entry.required or any(fits(path, entry) for path in files) for entry in inputs)
    return [subject, *sessions] if beside or not sessions else sessions


def _names(folder: Path) -> tuple[str, str]:
    """Participant and session of an examination's folder; a session may be missing."""
    return (folder.parent.name, folder.name) if folder.name.startswith("ses-") else (folder.name, "")


def _examination(folder: Path, entries: Sequence[InputScan], entities: Sequence[str]) -> Examination:
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
    subject: Path, before: InputScan, after: InputScan, *, entities: Sequence[str]
) -> list[Examination]:
    """Each examination of a participant beside the one before it that has the scan."""
    wanted = replace(after, name=after.suffix)
    sessions = _sessions(subject, [wanted])
    scans = {folder: _one_file(folder, wanted, entities) for folder in sessions}
    if len(sessions) > 1 and subject in scans:
        scans[subject] = None, _NO_SESSION
    found = [
        Examination(*_names(folder), {}, problem) for folder, (path, problem) in scans.items() if path is None
    ]
    there = {folder: path for folder, (path, _) in scans.items() if path is not None}
    ordered, doubt = in_order_of_time(subject, there)
    if doubt:
        beside = [exam.problem for exam in found if not exam.session]
        doubtful = Examination(subject.name, "", {}, " ".join([*beside, doubt]))
        return [*(exam for exam in found if exam.session), doubtful]
    if len(ordered) == 1:
        return [*found, Examination(*_names(ordered[0]), {}, ONE_ONLY)]
    for first, second in pairwise(ordered):
        inputs = {before.name: there[first], after.name: there[second]}
        found.append(Examination(*_names(second), inputs, baseline=_names(first)[1]))
    place = {_names(folder)[1]: number for number, folder in enumerate(sessions)}
    return sorted(found, key=lambda exam: place[exam.session])


def _one_file(folder: Path, entry: InputScan, entities: Sequence[str]) -> tuple[Path | None, str]:
    """The file for an input, or why there is none (empty where none is needed)."""
    found = [path for path in sorted((folder / "anat").glob("sub-*")) if fits(path, entry)]
    files = [path for path in found if has_all(path, entities)]
    if len(files) == 1:
        return files[0], ""
    if files:
        return None, (
            f"There are {len(files)} files for the input {entry.name} ({_few(files)}). {what_tells_apart(files)}"
        )
    if found and entry.required:
        return None, (
            f"There is no *_{entry.suffix} file with {' and '.join(entities)} for the input {entry.name}, only "
            f"{_few(found)}."
        )
    return (
        None,
        "" if not entry.required else f"There is no *_{entry.suffix} file for the input {entry.name}.",
    )


def _few(files: Sequence[Path]) -> str:
    return ", ".join(path.name for path in files[:3]) + (" ..." if len(files) > 3 else "")
