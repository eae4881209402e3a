"""Which of a patient's scans was made first, by the dates of their studies or the numbers of their sessions."""

import re
from collections.abc import Hashable, Mapping

from .patients import Origin, dateOf

SESSION = r"(?:ses|session|tp|time|timepoint|visit|study)[-_ ]?0*"  # before its number, in names of scans
_NUMBER = re.compile(rf"{SESSION}(\d+)", re.I)


def inTime(origins: Mapping[Hashable, Origin]) -> list:
    """One scan of each time, the earliest first, as far as times are known; empty if no two differ."""
    for when in (dateOf, _session):
        times: dict[int, Hashable] = {}
        for scan, origin in origins.items():
            time = when(origin)
            if time:
                times.setdefault(int(time), scan)
        if len(times) > 1:
            return [times[time] for time in sorted(times)]
    return []


def isReversed(baseline: Origin, followup: Origin) -> bool:
    """Whether a baseline was made after its follow-up."""
    return inTime({"baseline": baseline, "followup": followup})[:1] == ["followup"]


def _session(origin: Origin) -> str:
    for text in (origin.name, *reversed(origin.folders[-2:])):
        found = _NUMBER.search(text)
        if found:
            return found[1]
    return ""
