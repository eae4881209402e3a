"""Which patients train and which test: subsets in rotation, so that every patient is tested once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.studies.engine.study_cases import AnyCase, by_patient


@dataclass(frozen=True)
class Fold:
    """Indices of the subsets that a model is trained on, and of the one that it is tested on."""

    train: tuple[int, ...]
    test: int


def rotation(subsets: int, training: int) -> list[Fold]:
    """Folds in which ``training`` consecutive subsets train and the next one tests; each subset is tested once.

    Raises:
        SettingsError: no subset would be left for testing.

    >>> for fold in rotation(subsets=3, training=2):
    ...     print(fold.train, fold.test)
    (0, 1) 2
    (1, 2) 0
    (2, 0) 1
    """
    if not 1 <= training < subsets:
        raise SettingsError(
            f"{training} subsets cannot be trained on when there are {subsets}: one must be left for testing."
        )
    return [
        Fold(tuple((first + k) % subsets for k in range(training)), (first + training) % subsets)
        for first in range(subsets)
    ]


def check_subsets(size: int, training: Sequence[int]) -> None:
    """Refuse numbers of training patients that are not those of whole subsets of ``size``.

    Raises:
        SettingsError: with what would be right.
    """
    if size < 1 or not training:
        raise SettingsError("Subsets need at least one patient, and --n at least one number.")
    if any(n < size or n % size for n in training):
        raise SettingsError(f"The numbers of training patients must be multiples of the subset, {size}.")


def make_subsets(cases: Sequence[AnyCase], size: int, seed: int) -> list[list[AnyCase]]:
    """Patients, with all their scans, in random order in subsets of ``size``; those that fill no subset are left out.

    Raises:
        SettingsError: fewer than two subsets.
    """
    groups = by_patient(cases, seed)
    count = len(groups) // size
    if count < 2:
        raise SettingsError(f"{len(groups)} patients make no two subsets of {size}. Choose smaller subsets.")
    return [[case for group in groups[k * size : (k + 1) * size] for case in group] for k in range(count)]
