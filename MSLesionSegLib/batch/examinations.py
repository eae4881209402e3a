"""The examinations of a BIDS dataset, and which of their files a task takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.training.layout import InputFile, kind_of

_ENDINGS = (".nii.gz", ".nii")
_ENTITY = re.compile(r"[A-Za-z]+-[A-Za-z0-9]+")


@dataclass(frozen=True)
class Examination:
    """One session of one participant.

    Attributes:
        participant: ``sub-...``.
        session: ``ses-...``, or empty where the dataset has no sessions.
        inputs: file by input name of the task.
        problem: a sentence why the task cannot be done on it, or empty.
    """

    participant: str
    session: str
    inputs: dict[str, Path]
    problem: str = ""

    @property
    def name(self) -> str:
        """What it is called towards people."""
        return " ".join(part for part in (self.participant, self.session) if part)

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
        task: of the task table; one whose inputs belong to one examination.
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
    return [_examination(path, task, entities) for subject in chosen for path in _sessions(subject)]


def _sessions(subject: Path) -> list[Path]:
    return sorted(path for path in subject.glob("ses-*") if path.is_dir()) or [subject]


def _examination(folder: Path, task: str, entities: Sequence[str]) -> Examination:
    session = folder.name if folder.name.startswith("ses-") else ""
    participant = folder.parent.name if session else folder.name
    inputs: dict[str, Path] = {}
    problems = []
    for entry in kind_of(task).inputs:
        files = [path for path in sorted((folder / "anat").glob("sub-*")) if _fits(path, entry, entities)]
        if len(files) == 1:
            inputs[entry.name] = files[0]
        elif files:
            names = ", ".join(path.name for path in files[:3])
            problems.append(
                f"There are {len(files)} files for the input {entry.name} ({names}). "
                "Choose one with --entity, such as --entity acq-3D."
            )
        elif not entry.optional:
            problems.append(f"There is no *_{entry.suffix} file for the input {entry.name}.")
    return Examination(participant, session, inputs, " ".join(problems))


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
