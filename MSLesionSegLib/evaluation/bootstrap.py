"""Intervals over resampled patients (percentile bootstrap; Efron and Tibshirani 1993)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A number and its 95 % interval over resampled patients (percentile bootstrap); None where undefined."""

    value: float | None
    low: float | None
    high: float | None


def resampled(statistic: Callable[[np.ndarray], np.ndarray], patients: np.ndarray) -> Interval:
    """A statistic over patients with its bootstrap interval, the same one each time.

    Args:
        statistic: takes numbers (..., patients, columns), gives (...); NaN where undefined.
        patients: (patients, columns).
    """
    chosen = np.random.default_rng(0).integers(len(patients), size=(_RESAMPLES, len(patients)))
    with np.errstate(invalid="ignore", divide="ignore"):
        value, again = float(statistic(patients)), statistic(patients[chosen])
    again = again[np.isfinite(again)]
    if not np.isfinite(value) or len(patients) < 2:
        return Interval(value if np.isfinite(value) else None, None, None)
    low, high = np.percentile(again, (2.5, 97.5))
    return Interval(value, float(low), float(high))
