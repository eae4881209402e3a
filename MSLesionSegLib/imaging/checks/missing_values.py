"""Voxels that are not a number: air where they lie around the head, holes where they lie in it."""

from __future__ import annotations

from itertools import product

import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning

_MOST_HOLES = 0.01


def covered_shape(data: np.ndarray) -> tuple[int, ...]:
    """Size of the smallest box, in voxels, that holds everything that is a number."""
    finite = np.isfinite(data)
    if finite.all():
        return data.shape
    return tuple(
        int(np.ptp(np.flatnonzero(profile))) + 1 if profile.any() else 0 for profile in _profiles(finite)
    )


def fill_missing(name: str, data: np.ndarray) -> tuple[np.ndarray, list[InputWarning]]:
    """Give voxels that are no number a value, or refuse where none is known.

    Many programs write NaN where there is nothing: around an extracted brain, in the air, beyond the field of view
    of a resampled scan. All NaN that hang together with the border of the volume are such, and become 0, or the
    lowest value where there are negative ones. The others, and all infinite ones, become the median of their finite
    neighbours (26), else 0, as long as they are fewer than 1 %.

    Args:
        data: float array (X, Y, Z). It is not changed.

    Raises:
        ImageError: more than 1 % within the head are no numbers, whole slices within it, or all voxels.
    """
    bad = ~np.isfinite(data)
    count = int(np.count_nonzero(bad))
    if count == 0:
        return data, []
    if count < _MOST_HOLES * bad.size:
        return _healed(name, data, bad)
    from scipy import ndimage

    outside = ~ndimage.binary_fill_holes(~np.isnan(data))
    holes = bad & ~outside
    gaps = any(not _between(profile).all() for profile in _profiles(~bad))
    if gaps or np.count_nonzero(holes) >= _MOST_HOLES * np.count_nonzero(~outside):
        raise ImageError(
            f"{name} has {count} voxels ({100 * count / bad.size:.1f} %) that are infinite, or not a number and not "
            "only around the head. No value is known for them: export the scan again."
        )
    filled = data.copy()
    filled[outside] = min(0.0, float(data[~bad].min()))
    surrounded = int(np.count_nonzero(outside))
    finding = InputWarning(
        "missing-values",
        f"{name} has {surrounded} voxels ({100 * surrounded / bad.size:.2g} %) around the head or brain that are not "
        "a number. They were taken for air.",
    )
    filled, healed = _healed(name, filled, holes) if holes.any() else (filled, [])
    return filled, [finding, *healed]


def _healed(name: str, data: np.ndarray, bad: np.ndarray) -> tuple[np.ndarray, list[InputWarning]]:
    padded = np.pad(np.where(bad, np.nan, data), 1, constant_values=np.nan)
    where = np.argwhere(bad)
    steps = np.array(list(product((0, 1, 2), repeat=3)))
    neighbours = padded[tuple((where[:, None, :] + steps[None]).transpose(2, 0, 1))]
    alone = np.isnan(neighbours).all(axis=1)
    neighbours[alone] = 0
    healed = data.copy()
    healed[bad] = np.nanmedian(neighbours, axis=1)
    finding = InputWarning(
        "repaired-values",
        f"{name} had {len(where)} voxels ({100 * len(where) / bad.size:.2g} %) that are not a number or infinite. "
        "They were replaced by the median of their neighbors.",
    )
    return healed, [finding]


def _profiles(present: np.ndarray) -> list[np.ndarray]:
    """For each axis, which planes across it hold anything."""
    return [np.any(present, axis=tuple(other for other in range(3) if other != axis)) for axis in range(3)]


def _between(profile: np.ndarray) -> np.ndarray:
    filled = np.flatnonzero(profile)
    return profile[filled[0] : filled[-1] + 1] if filled.size else np.zeros(1, bool)
