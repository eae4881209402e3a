"""Centres whose patients are split into training and testing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.studies.engine.study_cases import StudyCase, by_patient


@dataclass(frozen=True)
class Centre:
    """A centre with its patients split into training and testing."""

    name: str
    train: tuple[StudyCase, ...]
    test: tuple[StudyCase, ...]


def split_centre(name: str, cases: Sequence[StudyCase], test_share: float) -> Centre:
    """Whole patients for testing, ``test_share`` of them but at least one; the rest trains.

    Raises:
        SettingsError: fewer than two patients.
    """
    groups = by_patient(cases, seed=0)
    if len(groups) < 2:
        raise SettingsError(f"The centre {name} has one patient only: one must train and another one test.")
    testing = min(max(1, round(test_share * len(groups))), len(groups) - 1)
    train, test = groups[testing:], groups[:testing]
    return Centre(name, tuple(c for g in train for c in g), tuple(c for g in test for c in g))
