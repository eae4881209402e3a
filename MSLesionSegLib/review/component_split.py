"""A component that holds both rejected lesions and others, divided between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from MSLesionSegLib.lesions.components import Voxel, label_components


def take_rejected_out(
    mask: np.ndarray,
    pieces: np.ndarray,
    rejected: np.ndarray,
    held: np.ndarray,
    seen: Sequence[np.ndarray],
    steps: np.ndarray,
    connectivity: int,
) -> None:
    """Take rejected lesions, as far as they reach now, out of ``mask``: bool (X, Y, Z), changed in place.

    A lower threshold may have joined one with others, which stay.

    Args:
        pieces: components of ``mask``, numbered from 1.
        rejected, held, seen, steps, connectivity: as for :func:`part_of_others`.
    """
    from scipy.ndimage import find_objects

    places = find_objects(pieces)
    for number in np.unique(pieces[rejected & mask]):
        place = places[number - 1]
        piece = pieces[place] == number
        others = part_of_others(
            piece, rejected[place], held[place], [image[place] for image in seen], steps, connectivity
        )
        mask[place] &= ~piece | others


def split_by_nearest(pieces: np.ndarray, voxels: Sequence[Voxel], steps: np.ndarray) -> np.ndarray:
    """The components that hold ``voxels``, each split by the nearest of those in it.

    Args:
        pieces: components, numbered from 1 (X, Y, Z); each voxel lies in one.
        voxels: whose index, from 1, is the label of what goes with it.
        steps: (3, 3), from voxels to mm.
    """
    from scipy.ndimage import find_objects

    places = find_objects(pieces)
    labels = np.zeros_like(pieces)
    for part in {int(pieces[voxel]) for voxel in voxels}:
        place = places[part - 1]
        inside = pieces[place] == part
        numbers = [n for n, voxel in enumerate(voxels, start=1) if pieces[voxel] == part]
        centres = np.array([voxels[n - 1] for n in numbers]) - [p.start for p in place]
        nearest = _nearest(np.argwhere(inside) @ steps.T, centres @ steps.T)[1]
        labels[place][inside] = np.array(numbers)[nearest]
    return labels


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
