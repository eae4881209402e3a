"""From maps of scans that a model never saw to how far its results can be trusted.

Voxels: observed shares of lesion by predicted probability, made monotone by isotonic regression (Zadrozny and Elkan
2002). Lesions: logistic regression whose slopes cannot be negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence, predictors
from MSLesionSegLib.lesions.table import Lesion
from MSLesionSegLib.network.models.confidence import SEEN

EDGES = (0.0, SEEN, 0.01, 0.05, *np.arange(0.1, 0.95, 0.1).round(1).tolist(), 0.9, 0.95, 0.98, 0.995, 1.0)
_REGION_PRIOR = 1.0  # standard deviation: few lesions of a region say little about it
_SLOPE_PRIOR = 3.0


@dataclass(frozen=True)
class JudgedLesion:
    """A lesion that was found on a patient, and whether it is one by the reference."""

    patient: str
    lesion: Lesion
    true: bool


def voxel_counts(probability: np.ndarray, reference: np.ndarray, voxel_mm3: float) -> np.ndarray:
    """Volume, summed probability and volume of lesion (mm3) of the voxels of a brain by probability: (bins, 3).

    Args:
        probability: 0 to 1, (N,); reference: bool (N,).
        voxel_mm3: volume of a voxel.
    """
    bins = np.clip(np.searchsorted(EDGES, probability, side="right") - 1, 0, len(EDGES) - 2)
    sums = [np.bincount(bins, weights, len(EDGES) - 1) for weights in (None, probability, reference)]
    return np.stack(sums, axis=1) * voxel_mm3


def reliability_curve(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean probability and monotone observed share of lesion by probability, of summed :func:`voxel_counts`.

    >>> counts = np.array([[90, 0.9, 1], [10, 9, 8]] + [[0, 0, 0]] * (len(EDGES) - 3))
    >>> [values.round(3).tolist() for values in reliability_curve(counts)]
    [[0.01, 0.9], [0.011, 0.8]]
    """
    volume, likely, lesion = counts[counts[:, 0] > 0].T
    observed = optimize.isotonic_regression(lesion / volume, weights=volume).x
    return likely / volume, observed


def fit_lesions(judged: Sequence[JudgedLesion]) -> LesionConfidence:
    """Fit how often lesions are true, by maximum a posteriori likelihood (normal priors on slopes and regions).

    Raises:
        ValueError: there are not both true and false ones.
    """
    lesions, true = [each.lesion for each in judged], np.array([each.true for each in judged], float)
    if not 0 < true.sum() < len(true):
        raise ValueError("true and false lesions are needed")
    regions = sorted({lesion.region for lesion in lesions})
    volumes, peaks = (np.array([getattr(lesion, name) for lesion in lesions]) for name in _PREDICTORS)
    indicator = np.array([[lesion.region == region for region in regions] for lesion in lesions], float)
    design = np.hstack([np.ones((len(true), 1)), predictors(volumes, peaks), indicator])
    precision = np.array([0.0, *[_SLOPE_PRIOR**-2] * 2, *[_REGION_PRIOR**-2] * len(regions)])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = design @ weights
        value = np.logaddexp(0, odds).sum() - true @ odds + (precision * weights**2).sum() / 2
        return value, design.T @ (1 / (1 + np.exp(-odds)) - true) + precision * weights

    bounds = [(None, None), (0, None), (0, None), *[(None, None)] * len(regions)]
    found = optimize.minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds)
    intercept, size, sure, *shifts = (round(float(weight), 4) for weight in found.x)
    return LesionConfidence(intercept, size, sure, dict(zip(regions, shifts, strict=True)))


_PREDICTORS = ("volume_mm3", "peak_probability")


def shares_left_out(judged: Sequence[JudgedLesion]) -> np.ndarray:
    """The share that is told for each lesion by what the other patients taught, (N,)."""
    shares = np.zeros(len(judged))
    for patient in {each.patient for each in judged}:
        taught = fit_lesions([each for each in judged if each.patient != patient])
        for k, each in enumerate(judged):
            if each.patient == patient:
                shares[k] = share_of(taught, each.lesion)
    return shares


def share_of(confidence: LesionConfidence, lesion: Lesion) -> float:
    """What is told for a lesion."""
    return confidence.true_share(lesion.volume_mm3, lesion.peak_probability or 0.0, lesion.region)


def ranges_of(scans: Iterable[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each statistic over scans."""
    rows = list(scans)
    return {
        name: (round(min(row[name] for row in rows), 4), round(max(row[name] for row in rows), 4))
        for name in rows[0]
    }
