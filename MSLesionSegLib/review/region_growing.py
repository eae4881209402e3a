"""A missed lesion, outlined from the place where a person pointed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.imaging.grid import voxel_at
from MSLesionSegLib.lesions.components import Voxel, label_components

_REACH_MM = 15.0  # it does not grow further than this from where the person pointed
_SEARCH_MM = 3.0  # how far from there its most probable voxel is looked for
_FAINTEST = 0.02  # below this the map knows nothing
_BALL_MM = 2.0


def seed_at(ras: Sequence[float], affine: np.ndarray, shape: tuple[int, ...]) -> Voxel:
    """The voxel of a grid at a point in mm RAS.

    Raises:
        SettingsError: it lies outside the scan.
    """
    voxel = voxel_at(ras, affine, shape)
    if voxel is None:
        raise SettingsError("The crosshair lies outside the scan. Click into the lesion first.")
    return voxel


def outline_missed(
    probability: np.ndarray, marked: np.ndarray, affine: np.ndarray, seed: Voxel, connectivity: int
) -> tuple[np.ndarray, Voxel]:
    """Outline a lesion where the map is at least half as sure as at its peak near ``seed``.

    Where the map shows nothing it is a small ball, for the person to correct.

    Args:
        probability: (X, Y, Z), 0 to 1.
        marked: bool (X, Y, Z), lesions that are known; none of them is taken.
        affine: voxel to mm.
        seed: where the person pointed; not marked.
        connectivity: 6, 18 or 26.

    Returns:
        The lesion as bool (X, Y, Z), and its most probable voxel (the seed where the map shows nothing).
    """
    box, distance = _around(seed, probability.shape, affine)
    free = ~marked[box]
    near = np.where((distance <= _SEARCH_MM) & free, probability[box], -1.0)
    peak = np.unravel_index(np.argmax(near), near.shape)
    if near[peak] < _FAINTEST:
        peak = tuple(s - part.start for s, part in zip(seed, box, strict=True))
        grown = distance <= _BALL_MM
    else:
        sure = (probability[box] >= near[peak] / 2) & (distance <= _REACH_MM) & free
        parts, _ = label_components(sure, connectivity)
        grown = parts == parts[peak]
    missed = np.zeros(probability.shape, bool)
    missed[box] = grown & free
    i, j, k = (int(at) + part.start for at, part in zip(peak, box, strict=True))
    return missed, (i, j, k)


def _around(seed: Voxel, shape: tuple[int, ...], affine: np.ndarray) -> tuple[tuple[slice, ...], np.ndarray]:
    """The box within reach of ``seed`` and the distance in mm of its voxels."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    reach = np.ceil(_REACH_MM / sizes).astype(int)
    low = [max(s - r, 0) for s, r in zip(seed, reach, strict=True)]
    high = [min(s + r + 1, n) for s, r, n in zip(seed, reach, shape, strict=True)]
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    offsets = np.indices([b - a for a, b in zip(low, high, strict=True)], dtype=np.float32)
    offsets -= (np.array(seed) - low)[:, None, None, None]
    steps = np.tensordot(affine[:3, :3], offsets, axes=1)
    return box, np.sqrt((steps**2).sum(axis=0))
