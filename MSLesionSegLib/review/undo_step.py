"""What a step of a review is taken back to, by :meth:`~MSLesionSegLib.review.review.Review.undo`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from MSLesionSegLib.lesions.components import Voxel
from MSLesionSegLib.review.decisions import ReviewedLesion
from MSLesionSegLib.review.reviewed_mask import MaskChanges

MOST_STEPS = 50  # that a review keeps


@dataclass(frozen=True, eq=False)
class UndoStep:
    """A review before a step: changes of the mask, decisions by lesion number, and a voxel of every lesion."""

    changes: MaskChanges
    accepted: frozenset[int]
    rejected: Mapping[int, ReviewedLesion]
    anchors: dict[int, Voxel]
