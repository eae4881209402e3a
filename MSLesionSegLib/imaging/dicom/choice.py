"""Which series of a study is the one that is wanted: proposed with a reason, or named by a person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.imaging.dicom.role import TITLES
from MSLesionSegLib.imaging.dicom.study import SeriesInfo

_UID = re.compile(r"\d+(\.\d+)+")
_SAME_SHARE = 0.05


@dataclass(frozen=True)
class Chosen:
    """A series, and why it was taken: part of a sentence without any text of its header."""

    series: SeriesInfo
    reason: str


def choose(name: str, series: Sequence[SeriesInfo], role: str, wanted: str | None = None) -> Chosen:
    """The series that has a role, or that a person names.

    Args:
        name: of the folder or file, for the sentences.
        series: of one study or several.
        wanted: number, UID or description (or a part of it) of the series; None leaves it to the role.

    Raises:
        ImageError: none fits, or several do equally well, such as those of two studies.
        SettingsError: no series is called so.
    """
    title = TITLES[role]
    if wanted is not None:
        found = named(name, series, wanted)
        fitting = [one for one in found if one.role == role] or found
        if len(fitting) > 1:
            raise ImageError(
                f"{len(fitting)} series of {name} are called '{wanted}' ({listed(fitting)}). {_NAME_IT}"
            )
        return Chosen(fitting[0], "as it was asked for")
    fitting = [one for one in series if one.role == role]
    if not fitting:
        raise ImageError(
            f"Among the series of {name} ({listed(series)}) none is known as a {title}. {_NAME_IT}"
        )
    studies = {(one.patient, one.study_uid) for one in fitting}
    if len(studies) > 1:
        raise ImageError(
            f"{name} holds {len(studies)} studies with a {title} ({patients_of(fitting)}). Give the folder of one "
            f"study. {_NAME_IT}"
        )
    if len(fitting) == 1:
        return Chosen(fitting[0], f"the only {title} ({fitting[0].reason})")
    finest = min(map(_coarseness, fitting))
    fine = [one for one in fitting if _coarseness(one) <= finest * (1 + _SAME_SHARE)]
    if len(fine) < len(fitting):
        reason = f"of {len(fitting)} {title} series the one with the thinnest slices ({fine[0].reason})"
    if len(fine) > 1:
        latest = max(one.time for one in fine)
        late = [one for one in fine if one.time == latest]
        if len(late) > 1 or role != "FLAIR":  # two T1 series may be before and after contrast, and not say so
            raise ImageError(f"{len(fine)} series of {name} may be the {title} ({listed(fine)}). {_NAME_IT}")
        fine = late
        reason = f"the last of {len(fitting)} {title} series ({fine[0].reason})"
    return Chosen(fine[0], reason)


def named(name: str, series: Sequence[SeriesInfo], wanted: str) -> list[SeriesInfo]:
    """The series that a person may mean, by UID, number, whole description, or part of it: the first that fits any.

    Raises:
        SettingsError: no series is called so.
    """
    text = " ".join(wanted.split()).casefold()
    tests = [lambda one: _plain(one.description) == text, lambda one: text in _plain(one.description)]
    if text.isdecimal():
        tests.insert(0, lambda one: one.number == int(text))
    if _UID.fullmatch(text):
        tests.insert(0, lambda one: one.series_uid == text)
    for fits in tests:
        found = [one for one in series if text and fits(one)]
        if found:
            return found
    raise SettingsError(
        f"{name} has no series '{wanted}'; it has {listed(series)}. 'mslesionseg dicom list' shows them all."
    )


def patients_of(series: Sequence[SeriesInfo]) -> str:
    """Of how many patients some series are."""
    count = len({one.patient for one in series})
    return "one patient" if count == 1 else f"{count} patients"


def listed(series: Sequence[SeriesInfo]) -> str:
    """Number and role of some series: a description is free text and may name the patient."""
    shown = [f"{called(one)}: {TITLES[one.role]}" for one in series[:8]]
    return ", ".join(shown) + (" ..." if len(series) > 8 else "")


def called(series: SeriesInfo) -> str:
    """A series by its number."""
    return "without number" if series.number is None else f"number {series.number}"


def _plain(description: str) -> str:
    return " ".join(description.split()).casefold()


def _coarseness(series: SeriesInfo) -> float:
    """Longest edge of a voxel; unknown is coarsest."""
    return max(series.voxel_mm or (float("inf"),))


_NAME_IT = "Name the series with --series (number, UID or description); 'mslesionseg dicom list' shows them."
