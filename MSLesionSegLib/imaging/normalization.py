"""Intensity normalisation."""

from __future__ import annotations

import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.tasks import get_task

PAIR_WINSORISE_PERCENT = get_task("enhancing").winsorise_percent  # after gadolinium, and what is compared


def zscore(array: np.ndarray, mask: np.ndarray, winsorise_percent: float = 0.0) -> np.ndarray:
    """Zero mean and unit standard deviation inside a mask, 0 outside.

    Args:
        array: intensities, shape (X, Y, Z).
        mask: brain mask of the same shape, nonzero inside.
        winsorise_percent: percentage of the voxels at each end that count for mean and deviation as if they had the
            value at which the end begins, so that bright vessels do not change how tissue is scaled.

    Returns:
        float32 array (X, Y, Z).

    Raises:
        ImageError: the mask is empty, or all intensities inside it are the same.

    >>> zscore(np.array([10, 20, 20, 30, 99]), mask=np.array([1, 1, 1, 1, 0])).tolist()
    [-1.414..., 0.0, 0.0, 1.414..., 0.0]
    """
    inside = mask > 0
    if not inside.any():
        raise ImageError("The brain mask is empty, so the image cannot be normalized.")
    values = array[inside].astype(np.float64)
    if winsorise_percent:
        values = np.clip(values, *np.percentile(values, (winsorise_percent, 100 - winsorise_percent)))
    deviation = values.std()
    if deviation <= 1e-6 * max(abs(values.mean()), 1e-6):
        raise ImageError("All voxels inside the brain have the same intensity.")
    return np.where(inside, (array - values.mean()) / deviation, 0.0).astype(np.float32)


def tissue_scale(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of brain voxels without their bright tail, so that lesions do not shift them.

    Left out is what lies more than three robust standard deviations (1.4826 times the median absolute deviation)
    above the median. CSF stays: it spans the scale.

    Args:
        values: intensities of the voxels of one brain, (N,), N >= 1.

    >>> tissue_scale(np.array([9, 10, 11, 90]))
    (10.0, 0.816...)
    """
    middle = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - middle))
    kept = values[values <= middle + 3 * spread].astype(np.float64)
    return float(kept.mean()), float(kept.std())
