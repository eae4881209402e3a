"""Names of scans in a BIDS dataset: which input they are for, and what tells them apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.imaging.formats import stands_for_scan, without_ending
from MSLesionSegLib.tasks import InputScan

WITHOUT = "none"
_ENTITY = re.compile(r"[A-Za-z]+-[A-Za-z0-9]+")


def check_entities(entities: Sequence[str]) -> None:
    """Refuse what is not part of a BIDS name.

    Raises:
        SettingsError: with an example.
    """
    for entity in entities:
        if not _ENTITY.fullmatch(entity):
            raise SettingsError(
                f"'{entity}' is not part of a BIDS name. Give one such as acq-3D or rec-{WITHOUT}."
            )


def fits(path: Path, entry: InputScan) -> bool:
    """Whether a file is an image for an input by its name."""
    name = without_ending(path.name)
    if not name or not stands_for_scan(path.name):
        return False
    *parts, suffix = name.split("_")
    contrast = any(part.startswith("ce-") for part in parts)
    return suffix == entry.sequence and contrast == entry.suffix.startswith("ce-")


def has_all(path: Path, entities: Sequence[str]) -> bool:
    """Whether a name has all entities: ``acq-3D``, ``run-2`` (or ``run-02``), ``rec-none`` (nothing with rec).

    >>> has_all(Path("sub-01_acq-3D_run-02_FLAIR.nii.gz"), ["acq-3D", "run-2", "rec-none"])
    True
    """
    own = _entities(path)
    wanted = (entity.split("-") for entity in entities)
    return all(_is_same(own.get(key.lower(), WITHOUT), value) for key, value in wanted)


def what_tells_apart(files: Sequence[Path]) -> str:
    """How to choose one of several files that are for the same input.

    >>> what_tells_apart([Path("sub-01_acq-2D_FLAIR.nii"), Path("sub-01_acq-3D_FLAIR.nii")])
    'Choose one with --entity acq-2D or --entity acq-3D.'
    """
    own = [_entities(path) for path in files]
    keys = [
        key for key in dict.fromkeys(key for one in own for key in one) if len({o.get(key) for o in own}) > 1
    ]
    if not keys:
        return "Their names differ in their endings alone: leave only one of them there."
    chosen = next((key for key in keys if len({one.get(key) for one in own}) == len(own)), keys[0])
    values = dict.fromkeys(one.get(chosen, WITHOUT) for one in own)
    return f"Choose one with {' or '.join(f'--entity {chosen}-{value}' for value in values)}."


def _entities(path: Path) -> dict[str, str]:
    """Entities of a name, such as ``{"sub": "01", "acq": "3D"}``."""
    parts = (without_ending(path.name) or path.name).split("_")[:-1]
    return {key.lower(): value for key, _, value in (part.partition("-") for part in parts)}


def _is_same(one: str, other: str) -> bool:
    if one.isdecimal() and other.isdecimal():
        return int(one) == int(other)
    return one.lower() == other.lower()
