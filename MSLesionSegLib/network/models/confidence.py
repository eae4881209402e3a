"""What a model's card tells of how far its results can be trusted, measured on scans that it never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from MSLesionSegLib.imaging.checks.intensity_statistics import STATISTICS
from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence
from MSLesionSegLib.network.models.card import ModelCard

SEEN = 0.002  # probability of a voxel, below which the model sees nothing


@dataclass(frozen=True)
class Confidence:
    """How far a model's results can be trusted.

    Attributes:
        lesions: how often a lesion like one was true.
        predicted, observed: reliability curve: probabilities of voxels in ascending order, and the share of lesion
            among voxels of that probability, which never falls.
        ranges: lowest and highest value of each of the intensity statistics over the scans of the training.
    """

    lesions: LesionConfidence
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    ranges: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, card: ModelCard) -> Confidence | None:
        """That of a model, where it was measured; raises as :meth:`from_dict`."""
        return cls.from_dict(card.confidence) if card.confidence else None

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Confidence:
        """What :func:`dataclasses.asdict` gave, also after a way through JSON.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it is something else.
        """
        predicted, observed = (tuple(float(v) for v in content[name]) for name in ("predicted", "observed"))
        if len(predicted) != len(observed) or len(predicted) < 2 or list(predicted) != sorted(set(predicted)):
            raise ValueError("its reliability curve is none")
        if min(observed) < 0 or max(observed) > 1:
            raise ValueError("its reliability curve leaves 0 to 1")
        ranges = {name: (float(low), float(high)) for name, (low, high) in content["ranges"].items()}
        if ranges.keys() != set(STATISTICS):
            raise ValueError("its intensity statistics are not those of the program")
        return cls(LesionConfidence.from_dict(content["lesions"]), predicted, observed, ranges)

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        return asdict(self)

    def expected_dice(self, probability: np.ndarray, mask: np.ndarray) -> float | None:
        """The Dice with a reader's mask that is to be expected: expected overlap over expected sizes.

        Lesion in voxels below :data:`SEEN` is not expected: how much the model sees nothing of depends on the load
        of the patients that it was measured on, not on this scan.

        Args:
            probability, mask: over the voxels of the brain (N,); mask is bool.

        Returns:
            None for an empty mask.
        """
        if not mask.any():
            return None
        share = np.interp(probability, self.predicted, self.observed) * (probability >= SEEN)
        return float(2 * share[mask].sum() / (np.count_nonzero(mask) + share.sum()))
