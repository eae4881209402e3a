"""How far a result can be trusted: what agreement is to be expected, and whether the model knows such scans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from MSLesionSegLib.imaging.checks.intensity_statistics import (
    distances,
    intensity_statistics,
    judge_intensities,
)
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.network.models.confidence import Confidence
from MSLesionSegLib.segmentation.probability import LesionProbability

LOW_DICE = 0.4  # below it a result is worth little
LOW_EXPECTED_DICE = "low-expected-dice"  # code of the warning


@dataclass(frozen=True)
class ScanTrust:
    """What is to be expected of a result.

    Attributes:
        expected_dice: with a reader's mask; None without lesions, or for a scan that the model does not know.
        distance: of the scan from those of the training, in half ranges.
        warnings: why it is not to be trusted.
    """

    expected_dice: float | None
    distance: float
    warnings: tuple[InputWarning, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON types, for the manifest."""
        dice = None if self.expected_dice is None else round(self.expected_dice, 3)
        return {"expected_dice": dice, "distance_from_training": round(self.distance, 2)}


def judge_scan(
    found: LesionProbability, brain: np.ndarray, labels: np.ndarray, title: str, confidence: Confidence
) -> ScanTrust:
    """Judge a result by what the model's card tells.

    Args:
        found: by the model; brain: mask on the grid of its probability; labels: the lesions that count there.
        title: of the scan.
        confidence: of the model.
    """
    away = _distances(found, confidence)
    far, unlike = max(abs(value) for value in away.values()), judge_intensities(title, away)
    if unlike:
        return ScanTrust(None, far, unlike)
    inside = brain > 0
    warnings: tuple[InputWarning, ...] = ()
    dice = confidence.expected_dice(found.probability[inside], labels[inside] > 0)
    if dice is not None and dice < LOW_DICE:
        sentence = (
            f"Do not trust this result: the model is unsure, and a Dice of about {dice:.1f} with a reader is to be "
            "expected. Check every lesion, and look for missed ones."
        )
        warnings = (InputWarning(LOW_EXPECTED_DICE, sentence),)
    return ScanTrust(dice, far, warnings)


def judge_likeness(found: LesionProbability, title: str, confidence: Confidence) -> tuple[InputWarning, ...]:
    """Whether the model knows such scans; arguments as for :func:`judge_scan`."""
    return judge_intensities(title, _distances(found, confidence))


def _distances(found: LesionProbability, confidence: Confidence) -> dict[str, float]:
    return distances(intensity_statistics(found.seen.channels[0], found.seen.brain), confidence.ranges)
