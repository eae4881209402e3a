"""Lesions as connected components of a mask, numbered the same way every time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from MSLesionSegLib.errors import ImageError

CONNECTIVITIES = (6, 18, 26)

Voxel = tuple[int, int, int]


def bounding_box(mask: np.ndarray, margin: int = 0) -> tuple[slice, ...] | None:
    """Return the smallest slices that hold every non-zero voxel of ``mask``, or None for an empty mask.

    ``margin`` adds that many voxels on each side, as far as the array reaches.

    >>> bounding_box(np.array([0, 1, 0, 1, 0]))
    (slice(1, 4, None),)
    """
    box: list[slice] = []
    wider: list[slice] = []
    for axis, size in enumerate(mask.shape):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        # only what the axes before have left is looked at
        filled = np.flatnonzero(mask[tuple(box)].any(axis=others))
        if filled.size == 0:
            return None
        start, stop = int(filled[0]), int(filled[-1]) + 1
        box.append(slice(start, stop))
        wider.append(slice(max(start - margin, 0), min(stop + margin, size)))
    return tuple(wider)


def label_components(mask: np.ndarray, connectivity: int = 26) -> tuple[np.ndarray, int]:
    """Number the connected components of a 3D mask by size.

    ``mask``: (X, Y, Z), non-zero inside. ``connectivity``: 6 (faces), 18 (faces and edges) or 26 (corners
    too). Returns ``(labels, count)``: labels is int32 of the same shape, 0 outside, 1 for the component with
    the most voxels and so on down to ``count``. Components of the same size are ordered by their first voxel
    (smallest x, then y, then z), so the numbers depend on the mask alone.

    >>> labels, count = label_components(np.array([1, 0, 1, 1]).reshape(4, 1, 1))
    >>> labels.ravel().tolist(), count  # the largest is number 1
    ([2, 0, 1, 1], 2)
    """
    if connectivity not in CONNECTIVITIES:
        raise ValueError(f"connectivity must be one of {CONNECTIVITIES}, not {connectivity}")
    mask = np.asarray(mask)
    if mask.ndim != 3:
        raise ValueError(f"mask must have three dimensions, not {mask.ndim}")
    import cc3d

    labels = np.zeros(mask.shape, dtype=np.int32)
    box = bounding_box(mask)
    if box is None:
        return labels, 0
    # one empty voxel around: cc3d counts too few labels for single voxels that touch the border (4.1.1)
    found = cc3d.connected_components(np.pad(mask[box] != 0, 1), connectivity=connectivity)[1:-1, 1:-1, 1:-1]
    inside = found[found != 0]
    old_ids, first, sizes = np.unique(inside, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    renumber = np.zeros(int(old_ids[-1]) + 1, dtype=np.int32)
    renumber[old_ids[order]] = np.arange(1, old_ids.size + 1)
    labels[box] = renumber[found]
    return labels, int(old_ids.size)


def smallest_voxel_count(voxel_volume_mm3: float, minimum_mm3: float) -> int:
    """Return how many voxels a component needs for a volume of at least ``minimum_mm3`` (never less than 1).

    The tiny tolerance keeps 3 voxels of 1 mm3 at a minimum of 3 mm3 although spacing is stored in float32.

    >>> smallest_voxel_count(voxel_volume_mm3=2.0, minimum_mm3=3.0)
    2
    """
    return max(1, math.ceil(minimum_mm3 / voxel_volume_mm3 * (1.0 - 1e-6)))


@dataclass(frozen=True)
class LesionRule:
    """What makes a lesion out of a probability map.

    Attributes:
        threshold: probability from which a voxel is lesion, above 0 and below 1.
        minimum_mm3: smaller lesions are dropped; one of exactly this volume stays.
        minimum_peak: lesions whose highest probability is lower are dropped. The outline stays that of the
            threshold (hysteresis thresholding after Canny 1986, IEEE PAMI 8:679), so faint false ones go without
            the others shrinking.
        connectivity: 6 (faces), 18 (faces and edges) or 26 (corners too).
    """

    threshold: float = 0.5
    minimum_mm3: float = 0.0
    minimum_peak: float = 0.0
    connectivity: int = 26


def check_probability(probability: np.ndarray) -> None:
    """Refuse values that are no numbers: none of them reaches a threshold, so they would pass for no lesions.

    Raises:
        ImageError: one is NaN.
    """
    if probability.size and np.isnan(probability.min()):
        raise ImageError(
            "The lesion probabilities are not numbers (NaN), so nothing is counted. Segment again."
        )


def find_lesions(
    probability: np.ndarray, rule: LesionRule, voxel_volume_mm3: float
) -> tuple[np.ndarray, int]:
    """Number the lesions of a probability map, as :func:`label_components` does.

    Args:
        probability: (X, Y, Z) in [0, 1].
        rule: what counts as a lesion.
        voxel_volume_mm3: volume of one voxel.

    Returns:
        ``(labels, count)``: int32 of the same shape, 0 outside.

    Raises:
        ImageError: a probability is no number.

    >>> probability = np.array([0.9, 0.6, 0.1, 0.6]).reshape(4, 1, 1)
    >>> find_lesions(probability, LesionRule(minimum_peak=0.8), voxel_volume_mm3=1.0)[0].ravel().tolist()
    [1, 1, 0, 0]
    """
    check_probability(probability)
    labels = np.zeros(probability.shape, np.int32)
    box = bounding_box(probability >= rule.threshold)  # most of a scan is no lesion
    if box is None:
        return labels, 0
    found, count = label_components(probability[box] >= rule.threshold, rule.connectivity)
    sizes = np.bincount(found.ravel(), minlength=count + 1)
    peaks = peak_probabilities(found, count, probability[box])
    keep = (sizes >= smallest_voxel_count(voxel_volume_mm3, rule.minimum_mm3)) & (peaks >= rule.minimum_peak)
    keep[0] = False
    labels[box] = np.where(keep, np.cumsum(keep), 0).astype(np.int32)[found]
    return labels, int(keep.sum())


def peak_probabilities(labels: np.ndarray, count: int, probability: np.ndarray) -> np.ndarray:
    """Return the highest probability over every number from 1 to ``count`` in a label image, float32; [0] is 0.

    >>> peak_probabilities(np.array([1, 1, 0, 2]), 2, np.array([0.5, 0.75, 1.0, 0.25])).tolist()
    [0.0, 0.75, 0.25]
    """
    peaks = np.zeros(count + 1, np.float32)
    inside = labels > 0
    np.maximum.at(peaks, labels[inside], probability[inside].astype(np.float32))
    return peaks


def peak_voxels(labels: np.ndarray, probability: np.ndarray) -> dict[int, Voxel]:
    """Return the most probable voxel of every number in a label image, the first of equals.

    ``labels``: (X, Y, Z), 0 outside. ``probability``: of the same shape.

    >>> peak_voxels(np.array([[[1, 1, 0, 2]]]), np.array([[[0.6, 0.9, 0.1, 0.7]]]))
    {1: (0, 0, 1), 2: (0, 0, 3)}
    """
    box = bounding_box(labels)
    if box is None:
        return {}
    labels = labels[box]
    flat = np.flatnonzero(labels)
    ids, values = labels.ravel()[flat], probability[box].ravel()[flat]
    order = np.lexsort((flat, -values, ids))
    numbers, firsts = np.unique(ids[order], return_index=True)
    where = np.stack(np.unravel_index(flat[order][firsts], labels.shape), axis=1)
    where += [part.start for part in box]
    return {int(n): (int(i), int(j), int(k)) for n, (i, j, k) in zip(numbers, where, strict=True)}


def voxels_near(labels: np.ndarray, number: int, voxel: Voxel, reach: np.ndarray) -> np.ndarray:
    """The voxels (N, 3) of a number in a label image (X, Y, Z); none further than ``reach`` (3,) from ``voxel``."""
    low = np.maximum(np.array(voxel) - reach, 0)
    part = tuple(slice(a, v + int(r) + 1) for a, v, r in zip(low, voxel, reach, strict=True))
    return np.argwhere(labels[part] == number) + low


def voxels_by_label(labels: np.ndarray) -> dict[int, np.ndarray]:
    """Return the flat indices of the voxels of every number in a label image (X, Y, Z), 0 outside; both in order."""
    voxels = np.flatnonzero(labels)
    ids = labels.ravel()[voxels]
    order = np.argsort(ids, kind="stable")
    numbers, starts = np.unique(ids[order], return_index=True)
    parts = np.split(voxels[order], starts[1:])
    return {
        int(n): part for n, part in zip(numbers, parts, strict=False)
    }  # an empty image has one part, no number
