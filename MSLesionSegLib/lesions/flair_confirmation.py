"""Is a lesion that one scan shows bright on another one too? A vessel is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from MSLesionSegLib.lesions.table import Lesion

CHECK_VESSEL = "check: vessel?"
_REACH_MM = 1.5
_BRIGHT_PERCENTILE = 75
_LEAST_Z = 0.9


def mark_unconfirmed(
    lesions: Sequence[Lesion],
    labels: np.ndarray,
    z: np.ndarray,
    brain: np.ndarray,
    spacing: Sequence[float],
) -> tuple[Lesion, ...]:
    """Give lesions without a bright FLAIR signal the remark :data:`CHECK_VESSEL`; none is dropped.

    A lesion counts as bright if a quarter of it and of what lies within 1.5 mm is brighter than the mean of the brain
    by 0.9 standard deviations.

    Args:
        lesions: rows of the table.
        labels: their ids (X, Y, Z).
        z: FLAIR z-scored in the brain; brain: mask; both on the same grid.
        spacing: voxel size in mm.
    """
    margin = np.ceil(_REACH_MM / np.asarray(spacing)).astype(int)
    boxes = ndimage.find_objects(labels)
    marked = []
    for lesion in lesions:
        box = tuple(
            slice(max(part.start - reach, 0), part.stop + reach)
            for part, reach in zip(boxes[lesion.id - 1], margin, strict=True)
        )
        away = ndimage.distance_transform_edt(labels[box] != lesion.id, sampling=spacing)
        near = (away <= _REACH_MM) & (brain[box] > 0)
        bright = near.any() and np.percentile(z[box][near], _BRIGHT_PERCENTILE) >= _LEAST_Z
        marked.append(lesion if bright else replace(lesion, remark=CHECK_VESSEL))
    return tuple(marked)
