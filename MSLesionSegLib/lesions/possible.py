"""Possible lesions: what the network sees, though not surely enough for the rule to count it.

A person looks at the few most probable ones after the certain lesions: on scans of other hospitals most of the small
lesions that a rule drops are still there at a low probability.
"""

from __future__ import annotations

import numpy as np

from MSLesionSegLib.lesions.components import (
    bounding_box,
    label_components,
    peak_probabilities,
    smallest_voxel_count,
)

FAINTEST = 0.2  # probability from which something is possible
MOST = 10  # so many are worth a person's time
SMALLEST_MM3 = 3.0  # as in the MSSEG challenges, smaller ones are noise


def possible_lesions(
    probability: np.ndarray, certain: np.ndarray, voxel_volume_mm3: float, connectivity: int = 26
) -> np.ndarray:
    """Outline what may be a lesion beside those that are certain, the most probable one first.

    A component of at least ``FAINTEST`` that touches no certain lesion is outlined where the map is at least half as
    sure as at its peak, as a lesion that a person points at is.

    Args:
        probability: (X, Y, Z) in [0, 1].
        certain: non-zero inside the lesions that count, same shape.
        voxel_volume_mm3: volume of one voxel.
        connectivity: 6, 18 or 26.

    Returns:
        int32 of the same shape: 0 outside, 1 for the one with the highest peak and so on, at most ``MOST``.

    >>> probability = np.array([0.9, 0.9, 0.0, 0.4, 0.25, 0.1, 0.0, 0.6]).reshape(8, 1, 1)
    >>> possible_lesions(probability, probability > 0.7, voxel_volume_mm3=3.0).ravel().tolist()
    [0, 0, 0, 2, 2, 0, 0, 1]
    """
    labels = np.zeros(probability.shape, np.int32)
    box = bounding_box(probability >= FAINTEST)
    if box is None:
        return labels
    inside, known = probability[box], certain[box] != 0
    parts, count = label_components((inside >= FAINTEST) | known, connectivity)
    peaks = peak_probabilities(parts, count, inside)
    peaks[np.unique(parts[known])] = np.inf  # reached by nothing
    peaks[0] = np.inf
    # an outline at half the peak may fall apart: what is less sure than its peak is none of its own
    outlines, number = label_components(inside >= peaks[parts] / 2, connectivity)
    tops = peak_probabilities(outlines, number, inside)
    sizes = np.bincount(outlines.ravel(), minlength=number + 1)
    owners = np.zeros(number + 1, np.int64)
    owners[outlines.ravel()] = parts.ravel()
    chosen = (tops >= peaks[owners]) & (sizes >= smallest_voxel_count(voxel_volume_mm3, SMALLEST_MM3))
    chosen[0] = False
    numbers = np.flatnonzero(chosen)
    ranked = numbers[np.lexsort((numbers, -tops[numbers]))][:MOST]
    rank = np.zeros(number + 1, np.int32)
    rank[ranked] = np.arange(1, len(ranked) + 1)
    labels[box] = rank[outlines]
    return labels
