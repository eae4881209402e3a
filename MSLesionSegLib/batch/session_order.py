"""In which order the examinations of a participant were made."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path


def in_order_of_names(folders: Sequence[Path]) -> list[Path]:
    """Folders by their names, numbers by their value (``ses-2`` before ``ses-10``)."""
    return sorted(folders, key=lambda folder: (_parts(folder.name), folder.name))


def in_order_of_time(subject: Path, folders: Sequence[Path]) -> tuple[list[Path], str]:
    """Sessions of a participant, the earliest first, and a sentence if that is not known.

    Taken from the column ``acq_time`` of ``sub-*_sessions.tsv`` (BIDS) where it tells the time of all of them;
    otherwise from names that differ in their numbers alone.
    """
    times = _times(subject / f"{subject.name}_sessions.tsv")
    known = [times.get(folder.name, "") for folder in folders]
    if all(known) and len(set(known)) == len(known):
        return sorted(folders, key=lambda folder: times[folder.name]), ""
    ordered = in_order_of_names(folders)
    numbers = {tuple(part for part in _parts(folder.name) if isinstance(part, int)) for folder in ordered}
    words = {tuple(part for part in _parts(folder.name) if isinstance(part, str)) for folder in ordered}
    if len(words) <= 1 and len(numbers) == len(ordered):
        return ordered, ""
    names = ", ".join(folder.name for folder in ordered[:4])
    return ordered, (
        f"Which of the sessions came first cannot be told from their names ({names}). Number them, or give their "
        f"acq_time in {subject.name}_sessions.tsv."
    )


def _parts(name: str) -> list[int | str]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name.lower())]


def _times(table: Path) -> dict[str, str]:
    """Time of acquisition by session, as the table has it (ISO 8601, which sorts as text)."""
    try:
        with table.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError):
        return {}
    times = {row.get("session_id") or "": row.get("acq_time") or "" for row in rows}
    return {session: time for session, time in times.items() if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", time)}
