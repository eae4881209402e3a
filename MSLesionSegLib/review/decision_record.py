"""Decisions and numbers of a review as they are kept with a scene: JSON types, also of earlier versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from MSLesionSegLib.lesions.components import Voxel, label_components
from MSLesionSegLib.review.component_split import split_by_nearest

JsonDecisions = dict[str, list[list[int]]]


@dataclass(frozen=True, eq=False)
class KeptRejection:
    """A rejected lesion: its most probable voxel, its number and the flat indices of its voxels.

    The last two are None where an earlier version kept none.
    """

    voxel: Voxel
    number: int | None
    voxels: np.ndarray | None


@dataclass(frozen=True, eq=False)
class DecisionRecord:
    """What is kept of a review beside its mask.

    Attributes:
        anchors: by number, the voxel that a lesion is known by.
        accepted: voxels of accepted lesions.
        rejected: lesions that were taken out.
    """

    anchors: dict[int, Voxel]
    accepted: list[Voxel]
    rejected: list[KeptRejection]

    @classmethod
    def read(cls, kept: Mapping[str, Iterable[Sequence[int]]], shape: tuple[int, ...]) -> DecisionRecord:
        """Take back what :meth:`written` gave; voxels that lie outside ``shape`` are left out."""
        voxels = [_voxel(voxel) for voxel in kept.get("rejected", ())]
        unknown = [None] * len(voxels)
        numbers = [number for (number,) in kept.get("rejected_numbers", ())] or unknown
        runs = [_from_runs(runs) for runs in kept.get("rejected_runs", ())] or unknown
        anchors = {number: _voxel(anchor) for number, *anchor in kept.get("numbers", ())}
        accepted = [_voxel(voxel) for voxel in kept.get("accepted", ())]
        return cls(
            {number: anchor for number, anchor in anchors.items() if _inside(anchor, shape)},
            [voxel for voxel in accepted if _inside(voxel, shape)],
            [
                KeptRejection(voxel, number, run)
                for voxel, number, run in zip(voxels, numbers, runs, strict=True)
                if _inside(voxel, shape)
            ],
        )

    def written(self) -> JsonDecisions:
        """As JSON types; voxels of a rejected lesion as runs: where one begins and how long it is, in turn."""
        return {
            "accepted": [list(voxel) for voxel in self.accepted],
            "rejected": [list(each.voxel) for each in self.rejected],
            "rejected_numbers": [[each.number] for each in self.rejected if each.number is not None],
            "rejected_runs": [_runs(each.voxels) for each in self.rejected if each.voxels is not None],
            "numbers": [[number, *anchor] for number, anchor in sorted(self.anchors.items())],
        }


def rejected_labels(
    kept: Sequence[KeptRejection], found: np.ndarray, mask: np.ndarray, steps: np.ndarray, connectivity: int
) -> np.ndarray:
    """Rejected lesions as labels (X, Y, Z) from 1, in their order; 0 outside and in ``mask``.

    Where their voxels were not kept they are what was ``found`` around their most probable voxel.

    Args:
        found, mask: bool (X, Y, Z), what the rule finds and what is in the reviewed mask.
        steps: (3, 3), from voxels to mm.
        connectivity: 6, 18 or 26.
    """
    away, _ = label_components(found & ~mask, connectivity)
    unknown = {n: k.voxel for n, k in enumerate(kept, start=1) if k.voxels is None and away[k.voxel]}
    labels = np.array([0, *unknown], np.int32)[split_by_nearest(away, list(unknown.values()), steps)]
    for number, each in enumerate(kept, start=1):
        if each.voxels is not None:
            labels.ravel()[each.voxels[~mask.ravel()[each.voxels]]] = number
    return labels


def _runs(voxels: np.ndarray) -> list[int]:
    starts = np.flatnonzero(np.diff(voxels, prepend=-2) != 1)
    lengths = np.diff(np.append(starts, len(voxels)))
    return np.stack([voxels[starts], lengths], axis=1).ravel().tolist()


def _from_runs(runs: Sequence[int]) -> np.ndarray:
    pairs = np.array(runs, int).reshape(-1, 2)
    return np.concatenate([np.arange(start, start + length) for start, length in pairs])


def _voxel(values: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def _inside(voxel: tuple[int, ...], shape: tuple[int, ...]) -> TypeGuard[Voxel]:
    return len(voxel) == len(shape) and all(0 <= v < n for v, n in zip(voxel, shape, strict=True))
