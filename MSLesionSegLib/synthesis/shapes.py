"""Real lesion shapes from a file of sparse masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from MSLesionSegLib.synthesis.lesions import Shape

_SMALLEST, _LARGEST = 8, 20000  # voxels of the masks that are drawn


def shapes_from_file(path: Path) -> Shape:
    """A source of lesion shapes for :func:`~MSLesionSegLib.synthesis.lesions.insert_lesions`.

    Args:
        path: npz with ``delta_index``, ``offsets`` and ``shape``: the k-th mask's flat voxel indices are the
            cumulative sum of ``delta_index[offsets[k]:offsets[k + 1]]`` in a 1 mm volume of ``shape``.

    Returns:
        Function of a random generator; it returns a soft mask of one lesion, randomly turned and mirrored.
    """
    data = np.load(path)
    offsets, deltas, shape = data["offsets"], data["delta_index"], tuple(data["shape"])
    sizes = np.diff(offsets)
    usable = np.flatnonzero((sizes >= _SMALLEST) & (sizes <= _LARGEST))

    def draw(rng: np.random.Generator) -> np.ndarray:
        k = rng.choice(usable)
        index = np.cumsum(deltas[offsets[k] : offsets[k + 1]].astype(np.int64))
        voxels = np.stack(np.unravel_index(index, shape))
        voxels -= voxels.min(1, keepdims=True)
        mask = np.zeros(voxels.max(1) + 5, dtype=np.float32)
        mask[tuple(voxels + 2)] = 1
        turns, axes = int(rng.integers(4)), rng.permutation(3)
        mask = np.rot90(mask, turns, axes=(axes[0], axes[1]))
        mask = mask[:: rng.choice([-1, 1]), :: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        return ndimage.gaussian_filter(mask, rng.uniform(0.4, 0.9)).clip(0, 1)

    return draw
