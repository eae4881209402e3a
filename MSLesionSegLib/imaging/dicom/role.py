"""What a series of a brain examination is, told from its settings and, where these are missing, from its names."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import pydicom

from MSLesionSegLib.imaging.dicom.frames import frame_value

Role = Literal["FLAIR", "T1w", "ce-gadolinium_T1w", "localizer", "derived", "other"]
# the first three are called as in BIDS, as the inputs of the task table are
TITLES: dict[str, str] = {
    "FLAIR": "FLAIR",
    "T1w": "T1",
    "ce-gadolinium_T1w": "T1 after contrast",
    "localizer": "localizer",
    "derived": "derived",
    "other": "other",
}

_TEXTS = ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName")
_ONE_FOR_ALL = "GE"  # maker whose protocols are those of whole examinations, and say nothing of a series
_NO_AGENT = {"", "none", "no", "n", "n/a", "na", "-", "nein", "ohne", "0", "without", "nativ", "native"}
_FLAIR_TI_MS, _T1_TI_MS, _FAT_TI_MS = (1400, 3500), (300, 1400), 300
_LONG_TE_MS, _SHORT_TE_MS, _SHORT_TR_MS = 60, 40, 1200
_MADE_FROM_OTHERS = {
    *("MPR", "MIP", "MNIP", "MINIP", "REFORMATTED", "RESAMPLED", "PROJECTION IMAGE", "SUBTRACTION", "SUB"),
    *("ADC", "FA", "TRACEW", "T1 MAP", "T2 MAP", "POST_PROCESSED", "COMPOSED", "VOLUME_RENDER", "FAT"),
}
_PHASE = {"P", "PHASE", "PHASE MAP"}


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{'|'.join(patterns)})(?![a-z])")


_LOCALIZER = _words(
    *(r"3-?pl(?:ane)?", r"loc(?:ali[sz]er)?s?", r"\w*scout", r"\w*survey", "planscan", "smart ?brain")
)
_COMPUTED = _words(r"mpr\w*", "mi?n?ip", r"reformat\w*", r"sub(?:tra\w*)?", "adc", "average", r"map\w*")
_FLAIR = re.compile(r"flair|tirm|dark.?fl|da[- ]?fl(?![a-z])")
_T1_FLAIR = re.compile(r"t1.{0,5}flair|flair.{0,3}t1")
_T1 = re.compile(r"(?<![a-z0-9])s?t1|mp-?rage|bravo|f?spgr|vibe|(?<![a-z])tfl3d|thrive")
_T2 = re.compile(r"(?<![a-z0-9])s?t2")
_DOUBLE_INVERSION = _words("s?dir", "double.?ir", "double.?inversion", "psir", "mp2rage")
_BEFORE = _words(
    *(r"pre(?:con\w*|gd|gad)?", r"nativ\w*", "ohne", "vor", "plain", "without", r"w/o", "unenhanced"),
    *(r"non?[- ]?con\w*", "sans", "avant", "sin", "senza"),
)
_AFTER = _words(
    *(
        r"post(?:con\w*|gd|gad)?",
        "nach",
        "gd",
        r"gad[ao]\w*",
        "gad",
        "km",
        r"[ck]ontrast\w*",
        "ce",
        "enhanced",
    ),
    *(r"dota\w*", r"magnev\w*", r"prohance", r"clariscan", r"mit", "avec", "apr[eè]s", "mdc"),
)
_PLUS_CONTRAST = re.compile(r"\+ ?c(?![a-z])|(?<![a-z])c\+|\+ ?(?:gd|gad|km)")
_OTHER = {
    "diffusion": _words("dwi", "dti", r"diff\w*", r"ep2d_diff\w*", "adc", r"trace\w*", r"b\d+"),
    "perfusion or function": _words(r"perf\w*", "asl", "pcasl", "bold", "fmri", "dsc", "dce", "rest"),
    "vessels": _words("tof", "mra", "mrv", r"angio\w*", "s?pca", "venc", "s?3di"),
    "susceptibility": _words("swip?", "swan", "venobold", r"t2\*", "t2star", "hemo", "haemo"),
    "a map of the field": _words(r"field.?map\w*", "b0", "b1", r"calib\w*", "asset"),
}


@dataclass(frozen=True)
class SeriesRole:
    """What a series is, and why it was taken for that: a sentence's part without any text of its header."""

    role: Role
    reason: str


def role_of(header: pydicom.Dataset, planes: int = 1) -> SeriesRole:
    """Tell what a series is.

    Settings (inversion, echo and repetition time; DICOM PS3.3, C.8.3 and C.8.13) come before names, which are often
    wrong; names decide where settings are missing, and tell apart what has similar ones.

    Args:
        header: of any of its files.
        planes: in how many planes its images lie.
    """
    modality = str(header.get("Modality", ""))
    if modality not in ("", "MR"):
        shown = modality if re.fullmatch(r"[A-Z]{2,16}", modality) else "unknown"
        return SeriesRole("other", f"modality {shown}")
    kinds = {str(kind).upper() for kind in _values(header.get("ImageType"))}
    names = _names(header)
    if "LOCALIZER" in kinds or _LOCALIZER.search(names):
        return SeriesRole("localizer", "marked as a localizer")
    if planes > 1:
        return SeriesRole("localizer", f"its images lie in {planes} planes")
    if (
        "DERIVED" in kinds and ("SECONDARY" in kinds or _COMPUTED.search(names))
    ) or kinds & _MADE_FROM_OTHERS:
        return SeriesRole("derived", "marked as computed from other images")
    if frame_value(header, 0, "ImagePositionPatient") is None:
        return SeriesRole("other", "a picture without a place in the head")
    if kinds & _PHASE and "M" not in kinds:
        return SeriesRole("other", "phases")
    return _by_contrast(header, names)


def _names(header: pydicom.Dataset) -> str:
    """What the series is called, in small letters."""
    one_for_all = str(header.get("Manufacturer", "")).upper().startswith(_ONE_FOR_ALL)
    used = [word for word in _TEXTS if word != "ProtocolName" or not one_for_all]
    return " ".join(str(header.get(word, "")) for word in used).lower().replace("_", " ")


def _by_contrast(header: pydicom.Dataset, names: str) -> SeriesRole:
    inversion = _number(frame_value(header, 0, "InversionTimes") or frame_value(header, 0, "InversionTime"))
    echo = _number(frame_value(header, 0, "EffectiveEchoTime") or header.get("EchoTime"))
    repetition = _number(frame_value(header, 0, "RepetitionTime"))
    told = str(frame_value(header, 0, "AcquisitionContrast") or "").upper()
    diffusion = _number(frame_value(header, 0, "DiffusionBValue"))
    if told == "DIFFUSION" or (diffusion or 0) > 0:
        return SeriesRole("other", "diffusion")
    if _DOUBLE_INVERSION.search(names):
        return SeriesRole("other", "double inversion or phase-sensitive recovery, by its name")
    long_echo = echo is None or echo >= _LONG_TE_MS
    short_echo = echo is None or echo <= _SHORT_TE_MS
    named_flair = bool(_FLAIR.search(names)) and not _T1_FLAIR.search(names)
    if inversion is not None and inversion < _FAT_TI_MS:  # a STIR, which some call TIRM too
        named_flair = False
    if told == "FLUID_ATTENUATED" and not _T1_FLAIR.search(names):
        return SeriesRole("FLAIR", "marked as fluid-attenuated")
    if (
        inversion is not None
        and _within(inversion, _FLAIR_TI_MS)
        and (echo is not None or named_flair)
        and long_echo
    ):
        return SeriesRole("FLAIR", f"inversion time {inversion:.0f} ms{_shown(', echo time', echo)}")
    if named_flair and long_echo:
        return SeriesRole("FLAIR", f"its name{_shown(', echo time', echo)}")
    for kind, words in _OTHER.items():
        if words.search(names):
            return SeriesRole("other", f"{kind}, by its name")
    weighted = bool(_T1.search(names)) and not _T2.search(names)
    named_t2 = bool(_T2.search(names)) and not _T1.search(names)
    inverted = inversion is not None and _within(inversion, _T1_TI_MS)
    quick = repetition is not None and repetition <= _SHORT_TR_MS and inversion is None
    fits = echo is not None and short_echo and (inverted or (quick and echo <= 30)) and not named_t2
    if told == "T1" or fits:
        times = _shown("echo time", echo) + _shown(", inversion time", inversion if inverted else None)
        return _before_or_after(header, names, times + _shown(", repetition time", repetition))
    if weighted and short_echo:
        return _before_or_after(header, names, f"its name{_shown(', echo time', echo)}")
    if told in ("T2", "PROTON_DENSITY") or _T2.search(names) or (echo is not None and echo >= _LONG_TE_MS):
        return SeriesRole("other", f"T2 or proton density{_shown(', echo time', echo)}")
    return SeriesRole("other", "neither settings nor names tell what it is")


def _before_or_after(header: pydicom.Dataset, names: str, reason: str) -> SeriesRole:
    agent = str(header.get("ContrastBolusAgent") or "").strip().lower()
    given = str(frame_value(header, 0, "ContrastBolusAgentAdministered") or "").upper()
    if given == "NO" or _BEFORE.search(names):
        return SeriesRole("T1w", f"{reason}; before contrast, as it says")
    if given == "YES" or agent not in _NO_AGENT or (not given and header.get("ContrastBolusAgentSequence")):
        return SeriesRole("ce-gadolinium_T1w", f"{reason}; a contrast agent is given")
    if _AFTER.search(names) or _PLUS_CONTRAST.search(names):
        return SeriesRole("ce-gadolinium_T1w", f"{reason}; after contrast, by its name")
    return SeriesRole("T1w", f"{reason}; no contrast agent is given")


def _shown(what: str, milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{what} {round(milliseconds, 1):g} ms"


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _values(value: Any) -> list[Any]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _number(value: Any) -> float | None:
    """The one number, or the first of several; None where it is none, or 0, which scanners write for 'none'."""
    try:
        number = float(_values(value)[0] if not isinstance(value, (int, float)) else value)
    except (TypeError, ValueError, IndexError):
        return None
    return number if math.isfinite(number) and number > 0 else None
