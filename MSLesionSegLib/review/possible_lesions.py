"""Possible lesions of a review: offered beside the mask until a person decides about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np

from MSLesionSegLib.lesions.components import Voxel, peak_voxels, voxels_by_label
from MSLesionSegLib.lesions.table import Lesion
from MSLesionSegLib.review.decisions import POSSIBLE, ReviewedLesion
from MSLesionSegLib.review.numbering import Numbering
from MSLesionSegLib.review.table_cache import RememberedTable


@dataclass(frozen=True, eq=False)
class Candidate:
    """A possible lesion: its most probable voxel, the flat indices of its voxels and its row of the lesion table."""

    voxel: Voxel
    voxels: np.ndarray
    lesion: Lesion


class Candidates:
    """The possible lesions of a scan, the most probable one first.

    Attributes:
        voxels: flat indices of the voxels of each that :meth:`rows` listed last, by number.

    Args:
        labels: (X, Y, Z) from :func:`~MSLesionSegLib.lesions.possible.possible_lesions`; None for none.
        probability: on that grid.
        table: describes them.
    """

    def __init__(
        self, labels: np.ndarray | None, probability: nib.Nifti1Image, table: RememberedTable
    ) -> None:
        self._table, self._shape = table, probability.shape
        self._voxels = {} if labels is None else voxels_by_label(labels)
        self._peaks = {} if labels is None else peak_voxels(labels, np.asarray(probability.dataobj))
        self.voxels: dict[int, np.ndarray] = {}
        self._described: tuple[Candidate, ...] | None = None

    def all(self) -> tuple[Candidate, ...]:
        """Every one, whatever was decided."""
        if self._described is None:
            self._described = tuple(
                Candidate(self._peaks[lesion.id], self._voxels[lesion.id], lesion)
                for lesion in self._table.describe(self._labels())
            )
        return self._described

    def describe(self) -> Iterator[None]:
        """Prepare :meth:`all` in steps of a lesion."""
        if self._described is None:
            yield from self._table.learn(self._labels())

    def taken(self, mask: np.ndarray) -> list[Candidate]:
        """Those of which the most probable voxel, or half of all, is in the mask (X, Y, Z)."""
        flat = mask.ravel()
        return [each for each in self.all() if mask[each.voxel] or flat[each.voxels].mean() >= 0.5]

    def rows(
        self, mask: np.ndarray, numbering: Numbering, rejected: Iterable[np.ndarray], state: str
    ) -> list[ReviewedLesion]:
        """Those that nobody decided upon: no voxel is in the mask (X, Y, Z) or ``rejected`` (flat indices)."""
        decided = mask.ravel().copy()
        for voxels in rejected:
            decided[voxels] = True
        free = (each for each in self.all() if not decided[each.voxels].any())
        offered = {numbering.at(each.voxel): each for each in free}
        self.voxels = {number: each.voxels for number, each in offered.items()}
        return [
            ReviewedLesion(replace(each.lesion, id=number), state, POSSIBLE, each.voxel)
            for number, each in offered.items()
        ]

    def _labels(self) -> np.ndarray:
        labels = np.zeros(self._shape, np.uint8)
        for number, voxels in self._voxels.items():
            labels.ravel()[voxels] = number
        return labels
