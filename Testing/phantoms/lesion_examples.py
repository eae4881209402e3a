"""Small prepared examples: noise with bright cubes, which are the lesions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from MSLesionSegLib.training.examples.example import Example, write_example

EDGE = 40


def add_example(
    root: Path,
    name: str,
    *,
    seed: int = 0,
    lesions: int = 2,
    site: str = "here",
    inverted: bool = False,
    shifted: int = 0,
) -> Example:
    """Write an example of 40 voxels' edge.

    Args:
        root: folder of the set.
        name: of the example.
        seed: of noise and places.
        lesions: bright cubes of 8 voxels' edge.
        site: of the example.
        inverted: label everything but the lesions.
        shifted: voxels by which the label lies beside the lesions.
    """
    rng = np.random.default_rng(seed)
    label = np.zeros((EDGE,) * 3, np.float32)
    for k in range(lesions):
        x, y = rng.integers(4, 12, 2)
        z = 4 + 18 * k
        label[x : x + 8, y : y + 8, z : z + 8] = 1
    image = rng.normal(0, 0.3, (1, *label.shape)).astype(np.float32) + 3 * label
    if inverted:
        label = 1 - label
    focus = np.zeros_like(label)
    focus[30:34, 30:34, 30:34] = 1
    return write_example(
        root / name,
        image,
        np.roll(label, shifted, axis=0),
        np.ones_like(label),
        site=site,
        focus=focus,
    )
