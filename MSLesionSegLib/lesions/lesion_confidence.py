"""How often a lesion like one was true on scans that the model never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SMALLEST_MM3, LARGEST_MM3 = 1.0, 1000.0  # of any beyond these no more is known
LEAST_PEAK, HIGHEST_PEAK = 0.01, 0.999


@dataclass(frozen=True)
class LesionConfidence:
    """The share of true ones among lesions of some size, peak and region: a logistic function.

    It never falls with size or peak, so that a larger or surer lesion is never called less likely.

    Attributes:
        intercept: log odds of a lesion of 1 mm3 with a peak of 0.5.
        per_log_volume, per_logit_peak: what each e-fold of volume (1 to 1000 mm3) and each unit of the logit of the
            peak (0.01 to 0.999) adds, 0 or more.
        by_region: what a region adds; nothing where it is not named.
    """

    intercept: float
    per_log_volume: float
    per_logit_peak: float
    by_region: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LesionConfidence:
        """What :func:`dataclasses.asdict` gave.

        Raises:
            TypeError, ValueError: it is something else.
        """
        regions = {str(region): float(value) for region, value in content["by_region"].items()}
        intercept, size, sure = (
            float(content[name]) for name in ("intercept", "per_log_volume", "per_logit_peak")
        )
        return cls(intercept, size, sure, regions)

    def true_share(self, volume_mm3: float, peak: float, region: str) -> float:
        """The share of true ones among lesions like this one, 0 to 1.

        >>> LesionConfidence(-2.0, 0.5, 0.5).true_share(volume_mm3=150.0, peak=0.95, region="")
        0.878...
        """
        size, sure = predictors(np.array([volume_mm3]), np.array([peak]))[0]
        odds = self.intercept + self.per_log_volume * size + self.per_logit_peak * sure
        return float(1 / (1 + np.exp(-(odds + self.by_region.get(region, 0.0)))))


def predictors(volumes_mm3: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """What the logistic function takes of lesions (N,): logarithm of the volume and logit of the peak, (N, 2)."""
    peaks = np.clip(peaks, LEAST_PEAK, HIGHEST_PEAK)
    size = np.log(np.clip(volumes_mm3, SMALLEST_MM3, LARGEST_MM3))
    return np.stack([size, np.log(peaks / (1 - peaks))], axis=1)
