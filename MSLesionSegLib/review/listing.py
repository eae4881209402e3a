"""The rows of a review: its lesions described, with their states, and what may be one besides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import nibabel as nib
import numpy as np

from MSLesionSegLib.lesions.components import Voxel
from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence
from MSLesionSegLib.lesions.regions import RegionMap
from MSLesionSegLib.review.decision_record import KeptRejection
from MSLesionSegLib.review.decisions import ACCEPTED, OPEN, REJECTED, ReviewedLesion, states_of
from MSLesionSegLib.review.numbering import Numbering
from MSLesionSegLib.review.possible_lesions import Candidates
from MSLesionSegLib.review.table_cache import RememberedTable


class Listing:
    """Describes the lesions of one probability map.

    Attributes:
        candidates: what may be a lesion.

    Args:
        probability: on the grid of the mask.
        regions, states, default_state, possible, confidence: as for :class:`~MSLesionSegLib.review.review.Review`.
    """

    def __init__(
        self,
        probability: nib.Nifti1Image,
        regions: RegionMap | None,
        states: tuple[Mapping[int, str], np.ndarray] | None,
        default_state: str,
        possible: np.ndarray | None,
        confidence: LesionConfidence | None,
    ) -> None:
        self._table = RememberedTable(probability, regions, confidence)
        self._states, self._default_state = states, default_state
        self.candidates = Candidates(possible, probability, self._table)

    def learn(self, labels: np.ndarray) -> Iterator[None]:
        """Describe what :meth:`in_mask` and :meth:`possible` will list, a lesion per step."""
        yield from self._table.learn(labels)
        yield from self.candidates.describe()

    def in_mask(
        self, labels: np.ndarray, peaks: Iterable[Voxel], accepted: Iterable[Voxel]
    ) -> list[ReviewedLesion]:
        """The lesions of the mask by their numbers.

        Args:
            labels: the mask by numbers (X, Y, Z).
            peaks: the most probable voxel of each.
            accepted: a voxel of each accepted one.
        """
        voxels = {int(labels[peak]): peak for peak in peaks}
        agreed = {int(labels[voxel]) for voxel in accepted}
        states = self._states_of(labels, list(voxels))
        return [
            ReviewedLesion(lesion, states[lesion.id], decision, voxels[lesion.id])
            for lesion in self._table.describe(labels)
            for decision in [ACCEPTED if lesion.id in agreed else OPEN]
        ]

    def possible(
        self, mask: np.ndarray, numbering: Numbering, rejected: Mapping[int, np.ndarray]
    ) -> list[ReviewedLesion]:
        """What may be a lesion, and is neither in the mask (X, Y, Z) nor rejected."""
        return self.candidates.rows(mask, numbering, rejected.values(), self._default_state)

    def rejected(
        self, labels: np.ndarray, kept: Sequence[KeptRejection], numbering: Numbering
    ) -> list[ReviewedLesion]:
        """Rejected lesions that were kept, as far as labels (X, Y, Z) hold voxels of them, from 1 on."""
        states = self._states_of(labels, range(1, len(kept) + 1))
        rows = []
        for lesion in self._table.describe(labels):
            each = kept[lesion.id - 1]
            number = each.number or numbering.new(each.voxel)
            rows.append(ReviewedLesion(replace(lesion, id=number), states[lesion.id], REJECTED, each.voxel))
        return rows

    def _states_of(self, labels: np.ndarray, numbers: Sequence[int]) -> dict[int, str]:
        return states_of(labels, numbers, self._states, self._default_state)
