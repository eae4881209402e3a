"""A healthy head as tissue fractions, made from the MNI152 template."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

DEEP_CSF_MM = 18  # ventricles are the cerebrospinal fluid at least this deep below the brain's surface


@dataclass(frozen=True)
class Anatomy:
    """Tissue fractions in [0, 1], shape (X, Y, Z), 1 mm RAS.

    Attributes:
        white, grey, fluid: white matter, grey matter and cerebrospinal fluid; they sum to 1 inside the brain.
        brain: 1 inside the brain including sulcal fluid.
        ventricles: 1 inside the ventricles.
        affine: voxel to RAS millimetres, shape (4, 4).
    """

    white: np.ndarray
    grey: np.ndarray
    fluid: np.ndarray
    brain: np.ndarray
    ventricles: np.ndarray
    affine: np.ndarray

    def maps(self) -> dict[str, np.ndarray]:
        return {name: getattr(self, name) for name in ("white", "grey", "fluid", "brain", "ventricles")}


@lru_cache(maxsize=1)
def template_anatomy() -> Anatomy:
    """The MNI152 template (2009a, symmetric, as nilearn ships it) as tissue fractions with a 22 mm margin."""
    from nilearn import datasets

    grey_image = datasets.load_mni152_gm_template(resolution=1)
    grey = _unit(grey_image.get_fdata(dtype=np.float32))
    white = _unit(datasets.load_mni152_wm_template(resolution=1).get_fdata(dtype=np.float32))
    head = datasets.load_mni152_template(resolution=1).get_fdata(dtype=np.float32) > 0
    brain = ndimage.binary_fill_holes(
        ndimage.binary_closing(head | (grey + white > 0.3), iterations=4)
    ).astype(np.float32)
    total = np.maximum(grey + white, 1.0)
    grey, white = grey / total * brain, white / total * brain
    fluid = np.clip(brain - grey - white, 0.0, 1.0)
    ventricles = _ventricles(fluid, brain)
    affine = grey_image.affine
    margin = 22
    corners = np.argwhere(brain > 0)
    start, stop = corners.min(0) - margin, corners.max(0) + margin + 1
    window, affine = _window(start, stop, affine)
    white, grey, fluid, brain, ventricles = (
        _cut(a, start, stop, window) for a in (white, grey, fluid, brain, ventricles)
    )
    return Anatomy(white, grey, fluid, brain, ventricles, affine)


def _unit(array: np.ndarray) -> np.ndarray:
    return np.clip(array / array.max(), 0.0, 1.0)


def _ventricles(fluid: np.ndarray, brain: np.ndarray) -> np.ndarray:
    depth = ndimage.distance_transform_edt(brain)
    labels, count = ndimage.label((fluid > 0.5) & (depth > DEEP_CSF_MM))
    sizes = ndimage.sum_labels(np.ones_like(labels), labels, np.arange(1, count + 1))
    keep = np.flatnonzero(sizes > 300) + 1
    return np.isin(labels, keep).astype(np.float32)


def _window(start: np.ndarray, stop: np.ndarray, affine: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    shifted = affine.copy()
    shifted[:3, 3] = affine[:3, :3] @ start + affine[:3, 3]
    return tuple(int(b - a) for a, b in zip(start, stop, strict=True)), shifted


def _cut(array: np.ndarray, start: np.ndarray, stop: np.ndarray, window: tuple[int, ...]) -> np.ndarray:
    out = np.zeros(window, dtype=np.float32)
    source = tuple(slice(max(a, 0), min(b, n)) for a, b, n in zip(start, stop, array.shape, strict=True))
    target = tuple(slice(s.start - a, s.stop - a) for s, a in zip(source, start, strict=True))
    out[target] = array[source]
    return out
