"""In which order the examinations of a participant were made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from MSLesionSegLib.batch.date_parsing import TimeSpan, span_of
from MSLesionSegLib.batch.session_times import session_times

_RUN = re.compile(r"[0-9]+")
_LONGEST_NUMBER = 5  # more digits may be a date


def in_order_of_names(folders: Sequence[Path]) -> list[Path]:
    """Folders by their names, numbers by their value (``ses-2`` before ``ses-10``).

    >>> [folder.name for folder in in_order_of_names([Path("ses-10"), Path("ses-2")])]
    ['ses-2', 'ses-10']
    """
    return sorted(folders, key=lambda folder: (_parts(folder.name), folder.name))


def in_order_of_time(subject: Path, scans: Mapping[Path, Path]) -> tuple[list[Path], str]:
    """Sessions of a participant, the earliest first, and a sentence if that is not known.

    Where there are tables of sessions or scans, they must tell the times of all of them. Otherwise names are taken
    that are dates, or that differ in one number alone.

    Args:
        subject: the participant's folder.
        scans: the scan of each session's folder.
    """
    ordered = in_order_of_names(list(scans))
    if len(ordered) < 2:
        return ordered, ""
    times, problem = session_times(subject, scans)
    if problem:
        return ordered, problem
    if times is not None:
        return _by_spans(times, f"the times in {subject.name}'s tables")
    labels = {folder: folder.name.lower().removeprefix("ses-") for folder in ordered}
    dates = {folder: _date(label) for folder, label in labels.items()}
    if all(dates.values()):
        return _by_spans({folder: span for folder, span in dates.items() if span}, "the dates in their names")
    if _count_up([_parts(label) for label in labels.values()]):
        return ordered, ""
    names = ", ".join(folder.name for folder in ordered[:4])
    return ordered, (
        f"Which of the sessions came first cannot be told from their names ({names}). Number them, or give their "
        f"acq_time in {subject.name}_sessions.tsv."
    )


def _by_spans(times: Mapping[Path, TimeSpan], source: str) -> tuple[list[Path], str]:
    ordered = sorted(times, key=lambda folder: times[folder].first)
    for one, other in pairwise(ordered):
        if not times[one].before(times[other]):
            return ordered, (
                f"Whether {one.name} or {other.name} came first cannot be told from {source}, which can be read in "
                f"more than one way or are the same. Give their acq_time in the sessions table as 2020-05-01T10:30."
            )
    return ordered, ""


def _date(label: str) -> TimeSpan | None:
    """The date that is a session's name, beside the same letters or none."""
    runs = [run for run in _RUN.findall(label) if len(run) > _LONGEST_NUMBER]
    return span_of(label) or (span_of(runs[0]) if len(runs) == 1 else None)


def _count_up(names: Sequence[Sequence[int | str]]) -> bool:
    """Whether names differ in one number alone (or in several after a year), none of which may be a date."""
    words = {tuple(part for part in name if isinstance(part, str)) for name in names}
    numbers = [tuple(part for part in name if isinstance(part, int)) for name in names]
    if len(words) > 1 or len(set(numbers)) < len(numbers) or len({len(row) for row in numbers}) > 1:
        return False
    varying = [values for values in zip(*numbers, strict=True) if len(set(values)) > 1]
    by_year = all(1800 <= row[0] < 2100 for row in numbers)
    small = all(value < 10**_LONGEST_NUMBER for row in numbers for value in row)
    return small and (len(varying) == 1 or by_year)


def _parts(name: str) -> list[int | str]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name.lower())]
