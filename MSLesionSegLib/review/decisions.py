"""What a person decides about lesions, and the row of a review that tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from MSLesionSegLib.lesions.components import Voxel
from MSLesionSegLib.lesions.table import Lesion

OPEN, ACCEPTED, REJECTED = "open", "accepted", "rejected"
POSSIBLE = "possible"  # not in the mask, and no decision is asked for
LESION = "lesion"


IN_MASK = (OPEN, ACCEPTED)


@dataclass(frozen=True)
class ReviewedLesion:
    """A row of the review.

    ``lesion``: the row of the lesion table; ``lesion.id`` is its number, which it keeps for good. ``state``:
    ``lesion``, or how it changed since the baseline. ``decision``: ``open``, ``accepted``, ``rejected`` or
    ``possible``. ``voxel``: its most probable voxel.
    """

    lesion: Lesion
    state: str
    decision: str
    voxel: Voxel


def states_of(
    labels: np.ndarray,
    numbers: Sequence[int],
    states: tuple[Mapping[int, str], np.ndarray] | None,
    default: str,
) -> dict[int, str]:
    """The state of every lesion of a label image (X, Y, Z): that of most of its voxels that have one.

    ``numbers``: of the lesions. ``states``: names by label, and their label image (X, Y, Z). ``default``: of lesions
    without a labelled voxel.
    """
    if states is None or not numbers:
        return dict.fromkeys(numbers, default)
    names, image = states
    known = (labels > 0) & (image > 0)
    votes = np.zeros((max(numbers) + 1, int(image.max()) + 1), int)
    np.add.at(votes, (labels[known], image[known]), 1)
    return {number: names.get(int(votes[number].argmax()), default) for number in numbers}
