"""Which volume of the scene is which input, guessed from the names that scanners and people give."""

import re
from collections.abc import Mapping, Sequence

_FLAIR = re.compile(r"flair|dark.?fluid|tirm", re.I)
_T1 = re.compile(r"t1|mprage|bravo|spgr|tfe", re.I)
_CONTRAST = re.compile(
    r"gad|post|km\b|contrast|(^|[^a-z0-9])(gd|ce|c)([^a-z0-9]|$)|\+c|t1c|t1ce|t1gd|t1km|wgd|mit.?km", re.I
)
_NATIVE = re.compile(
    r"(^|[^a-z])pre([^a-z]|$)|before|without|w/o|ohne|nativ|no.?(contrast|gad|km)|non.?contrast|unenhanced",
    re.I,
)
_SESSION = r"(?:ses|session|tp|time|timepoint|visit|study)[-_ ]?0*"
_NUMBER = re.compile(rf"{_SESSION}(\d+)", re.I)
_LATER = re.compile(rf"follow|(?<![a-z])fu(?![a-z])|later|{_SESSION}(?:[2-9]|1\d)(?!\d)", re.I)
_EARLIER = re.compile(rf"base|(?<![a-z])bl(?![a-z])|earlier|prior|previous|first|{_SESSION}1(?!\d)", re.I)
_NO_SCAN = re.compile(r"mask|label|prob|seg|subtraction|brain", re.I)


def proposeInputs(task: str, names: Mapping[str, str]) -> dict[str, str]:
    """Propose a volume for each input of a task.

    Args:
        task: ``flair``, ``new`` or ``enhancing``.
        names: name of each volume by its ID, in the order of the scene.

    Returns:
        Volume ID by input name; an input for which nothing looks right is left out.
    """
    # masks and maps are looked at last
    order = sorted(names, key=lambda volume: bool(_NO_SCAN.search(names[volume])))
    flairs = [volume for volume in order if _FLAIR.search(names[volume])]
    if task == "flair":
        return _filled(flair=flairs or order[:1])
    if task == "new":
        return _pair(flairs or order, names)
    t1s = [v for v in order if _T1.search(names[v]) and v not in flairs]
    native = [v for v in t1s if _NATIVE.search(names[v])]
    after = [v for v in order if _CONTRAST.search(names[v]) and v not in flairs and v not in native]
    before = native + [v for v in t1s if v not in after and v not in native]
    return _filled(pre=before, post=after, flair=flairs)


def _pair(volumes: Sequence[str], names: Mapping[str, str]) -> dict[str, str]:
    sessions = {v: int(found[1]) for v in volumes if (found := _NUMBER.search(names[v]))}
    if len(set(sessions.values())) > 1:
        first, *others = sorted(sessions, key=sessions.get)
        return _filled(baseline=[first], followup=[v for v in others if sessions[v] > sessions[first]])
    later = [v for v in volumes if _LATER.search(names[v])]
    earlier = [v for v in volumes if _EARLIER.search(names[v]) and v not in later]
    rest = [v for v in volumes if v not in later and v not in earlier]
    baseline = (earlier or rest)[:1]
    followup = (later or [v for v in rest if v not in baseline])[:1]
    return _filled(baseline=baseline, followup=followup)


def _filled(**candidates: Sequence[str]) -> dict[str, str]:
    return {name: volumes[0] for name, volumes in candidates.items() if volumes}
