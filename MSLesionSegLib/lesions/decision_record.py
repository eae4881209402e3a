"""Decisions and numbers of a review as they are kept with a scene: JSON types, also of earlier versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from MSLesionSegLib.lesions.components import Voxel

JsonDecisions = dict[str, list[list[int]]]


@dataclass(frozen=True)
class DecisionRecord:
    """What is kept of a review beside its mask.

    Attributes:
        anchors: by number, the voxel that a lesion is known by.
        accepted: voxels of accepted lesions.
        rejected: by a voxel of each rejected lesion its number, or None where an earlier version kept none.
    """

    anchors: dict[int, Voxel]
    accepted: list[Voxel]
    rejected: dict[Voxel, int | None]

    @classmethod
    def read(cls, kept: Mapping[str, Iterable[Sequence[int]]], shape: tuple[int, ...]) -> DecisionRecord:
        """Take back what :meth:`written` gave; voxels that lie outside ``shape`` are left out."""
        numbers = [number for (number,) in kept.get("rejected_numbers", ())]
        rejected = [_voxel(voxel) for voxel in kept.get("rejected", ())]
        numbers += [None] * (len(rejected) - len(numbers))
        anchors = {number: _voxel(anchor) for number, *anchor in kept.get("numbers", ())}
        accepted = [_voxel(voxel) for voxel in kept.get("accepted", ())]
        return cls(
            {number: anchor for number, anchor in anchors.items() if _inside(anchor, shape)},
            [voxel for voxel in accepted if _inside(voxel, shape)],
            {v: number for v, number in zip(rejected, numbers, strict=True) if _inside(v, shape)},
        )

    def written(self) -> JsonDecisions:
        """As JSON types."""
        return {
            "accepted": [list(voxel) for voxel in self.accepted],
            "rejected": [list(voxel) for voxel in self.rejected],
            "rejected_numbers": [[number] for number in self.rejected.values()],
            "numbers": [[number, *anchor] for number, anchor in sorted(self.anchors.items())],
        }


def _voxel(values: Sequence[int]) -> Voxel:
    return tuple(int(value) for value in values)


def _inside(voxel: Voxel, shape: tuple[int, ...]) -> bool:
    return len(voxel) == len(shape) and all(0 <= v < n for v, n in zip(voxel, shape, strict=True))
