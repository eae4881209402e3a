"""A component that holds both a rejected lesion and others, divided between them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from MSLesionSegLib.lesions.components import label_components


def nearest_of(piece: np.ndarray, voxels: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """For every voxel of ``piece``, which of ``voxels`` (N, 3) is the nearest; ``steps`` as below."""
    return _nearest(np.argwhere(piece) @ steps.T, voxels @ steps.T)[1]


def part_of_others(
    piece: np.ndarray,
    rejected: np.ndarray,
    held: np.ndarray,
    seen: Iterable[np.ndarray],
    steps: np.ndarray,
    connectivity: int,
) -> np.ndarray:
    """What of a component belongs to other lesions than the rejected ones.

    Lesions of ``seen`` without a rejected voxel are the others. The rest goes to the nearer side, and to the others
    only as far as it hangs together with them.

    Args:
        piece: the component: bool (X, Y, Z); the other images have its shape.
        rejected: voxels of rejected lesions.
        held: voxels that went with rejected lesions before.
        seen: masks of lesions that are or were there, each by itself.
        steps: (3, 3), from voxels to mm.
        connectivity: what hangs together, as for ``label_components``.

    Returns:
        bool (X, Y, Z), a part of ``piece`` without ``rejected``; empty if there is no other lesion.
    """
    gone = piece & rejected
    others = np.zeros(piece.shape, bool)
    if np.array_equal(gone, piece):
        return others
    for mask in seen:
        inside = mask & piece
        if not (inside & ~gone & ~others).any():
            continue
        parts, count = label_components(inside, connectivity)
        is_other = np.ones(count + 1, bool)
        is_other[parts[gone]] = False
        is_other[0] = False
        others |= is_other[parts]
    between = piece & ~gone & ~others
    if not others.any() or not between.any():
        return others
    away = gone | (piece & held & ~others)
    points, far, near = (np.argwhere(mask) @ steps.T for mask in (between, away, others))
    kept = others.copy()
    kept[between] = _nearest(points, near)[0] <= _nearest(points, far)[0] * (1 + 1e-6)
    parts, count = label_components(kept, connectivity)
    hangs = np.zeros(count + 1, bool)
    hangs[parts[others]] = True
    return hangs[parts] & kept


def _nearest(points: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of every one of ``points`` (N, 3) to the nearest of ``places`` (M, 3), and which that is."""
    from scipy.spatial import cKDTree

    return cKDTree(places, balanced_tree=False, compact_nodes=False).query(points)
