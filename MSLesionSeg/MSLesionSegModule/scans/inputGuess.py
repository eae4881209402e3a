"""Which volume of the scene is which input, guessed from where it comes from and what scanners and people name it."""

import re
from collections.abc import Iterable, Mapping, Sequence

from MSLesionSegLib.tasks import TASKS

from .patients import Origin, mayBelongTogether
from .scanDates import SESSION, inTime

_FLAIR = re.compile(r"flair|dark.?fluid|tirm", re.I)
_T1 = re.compile(r"t1|mprage|bravo|spgr|tfe", re.I)
_CONTRAST = re.compile(
    r"gad|post|km\b|contrast|(^|[^a-z0-9])(gd|ce|c)([^a-z0-9]|$)|\+c|t1c|t1ce|t1gd|t1km|wgd|mit.?km", re.I
)
_NATIVE = re.compile(
    r"(^|[^a-z])pre([^a-z]|$)|before|without|w/o|ohne|nativ|no.?(contrast|gad|km)|non.?contrast|unenhanced",
    re.I,
)
_LATER = re.compile(rf"follow|(?<![a-z])fu(?![a-z])|later|{SESSION}(?:[2-9]|1\d)(?!\d)", re.I)
_EARLIER = re.compile(rf"base|(?<![a-z])bl(?![a-z])|earlier|prior|previous|first|{SESSION}1(?!\d)", re.I)
_OTHER = re.compile(r"t2|dwi|adc|swi|localizer|scout", re.I)
_NO_SCAN = re.compile(r"mask|label|prob|seg|subtraction|brain", re.I)


def proposeInputs(
    task: str, names: Mapping[str, str], origins: Mapping[str, Origin] | None = None
) -> dict[str, str]:
    """Propose a volume for each input of a task, all of one patient.

    Args:
        task: of the core's task table.
        names: name of each volume by its ID; the first is the one that matters most.
        origins: where the volumes come from; their names alone tell it if this is left out.

    Returns:
        Volume ID by input name; an input for which nothing looks right is left out.
    """
    origins = origins or {volume: Origin(name) for volume, name in names.items()}
    # masks and maps are looked at last
    order = sorted(_ofOnePatient(names, origins), key=lambda volume: bool(_NO_SCAN.search(names[volume])))
    flairs = [volume for volume in order if isFlair(names[volume])]
    row = TASKS[task]
    if row.compares:
        return _pair(flairs or order, origins)
    if not row.before_after:
        return _filled(**{row.reviewed_on: flairs or order[:1]})
    order = _ofOneSession(order, origins)
    t1s = [v for v in order if isT1(names[v])]
    flairs = [v for v in order if v in flairs]
    native = [v for v in t1s if _NATIVE.search(names[v])]
    after = [v for v in order if _CONTRAST.search(names[v]) and v not in flairs and v not in native]
    before = native + [v for v in t1s if v not in after and v not in native]
    return _filled(pre=before, post=after, flair=flairs)


def isFlair(name: str) -> bool:
    """Whether a scan is a FLAIR by its name."""
    return bool(_FLAIR.search(name))


def isT1(name: str) -> bool:
    """Whether a scan is T1-weighted by its name."""
    return bool(_T1.search(name)) and not isFlair(name)


def isNoFlair(name: str) -> bool:
    """Whether a scan is something else than a FLAIR by its name."""
    return not isFlair(name) and bool(_OTHER.search(name) or _T1.search(name) or _NO_SCAN.search(name))


def _ofOnePatient(volumes: Iterable[str], origins: Mapping[str, Origin]) -> list[str]:
    """The first volume, and those that may be of its patient and of no two others."""
    together: list[str] = []
    for volume in volumes:
        if all(mayBelongTogether(origins[volume], origins[other]) for other in together):
            together.append(volume)
    return together


def _ofOneSession(volumes: Sequence[str], origins: Mapping[str, Origin]) -> list[str]:
    """The first volume, and those that were not made at another time."""
    return [v for v in volumes if not inTime({w: origins[w] for w in (volumes[0], v)})]


def _pair(volumes: Sequence[str], origins: Mapping[str, Origin]) -> dict[str, str]:
    """The first volume with the one before it, or else with the one after it."""
    order = inTime({v: origins[v] for v in volumes})
    if volumes and volumes[0] in order:
        place = order.index(volumes[0])
        pair = order[place - 1 : place + 1] if place > 0 else order[:2]
        return _filled(baseline=pair[:1], followup=pair[1:])
    later = [v for v in volumes if _LATER.search(origins[v].name)]
    earlier = [v for v in volumes if _EARLIER.search(origins[v].name) and v not in later]
    rest = [v for v in volumes if v not in later and v not in earlier]
    baseline = (earlier or rest)[:1]
    followup = (later or [v for v in rest if v not in baseline])[:1]
    return _filled(baseline=baseline, followup=followup)


def _filled(**candidates: Sequence[str]) -> dict[str, str]:
    return {name: volumes[0] for name, volumes in candidates.items() if volumes}
