"""A lesion table that is made again at every click, and describes no lesion twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import nibabel as nib
import numpy as np

from MSLesionSegLib.lesions.components import bounding_box, voxels_by_label
from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence
from MSLesionSegLib.lesions.regions import RegionMap
from MSLesionSegLib.lesions.table import Lesion, each_lesion


class RememberedTable:
    """The lesion table of changing labels over one probability map: only lesions of new voxels are described.

    Args:
        probability: 0 to 1, (X, Y, Z).
        regions, confidence: as for :func:`~MSLesionSegLib.lesions.table.lesion_table`.
    """

    _MOST = 5000

    def __init__(
        self,
        probability: nib.Nifti1Image,
        regions: RegionMap | None,
        confidence: LesionConfidence | None = None,
    ) -> None:
        self._probability = np.asarray(probability.dataobj)
        self._affine, self._regions, self._confidence = probability.affine, regions, confidence
        self._known: dict[bytes, Lesion] = {}

    def describe(self, labels: np.ndarray) -> list[Lesion]:
        """The same rows as ``lesion_table`` gives for ``labels`` (X, Y, Z)."""
        keys = _keys(labels)
        for _ in self._learn(labels, keys):
            pass
        return [replace(self._known[key], id=number) for number, key in keys.items()]

    def learn(self, labels: np.ndarray) -> Iterator[None]:
        """Describe what is new in ``labels``, a lesion per step; afterwards :meth:`describe` is quick."""
        return self._learn(labels, _keys(labels))

    def _learn(self, labels: np.ndarray, keys: dict[int, bytes]) -> Iterator[None]:
        if len(self._known) > self._MOST:
            self._known.clear()
        yield
        for lesion in self._described(labels, [n for n, key in keys.items() if key not in self._known]):
            self._known[keys[lesion.id]] = lesion
            yield

    def _described(self, labels: np.ndarray, numbers: list[int]) -> Iterator[Lesion]:
        if not numbers:
            return
        chosen = np.zeros(int(labels.max()) + 1, bool)
        chosen[numbers] = True
        box = bounding_box(labels)
        assert box is not None
        affine = self._affine.copy()
        affine[:3, 3] = nib.affines.apply_affine(self._affine, [part.start for part in box])
        part = labels[box]
        numbered, likely = (
            nib.Nifti1Image(array, affine) for array in (part * chosen[part], self._probability[box])
        )
        yield from each_lesion(numbered, likely, self._regions, self._confidence)


def _keys(labels: np.ndarray) -> dict[int, bytes]:
    """What a lesion is known by, its voxels, by its number."""
    return {number: voxels.tobytes() for number, voxels in voxels_by_label(labels).items()}
