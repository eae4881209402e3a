"""Lesion shapes and places: MS-like, and other bright pathology on FLAIR."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MSLesionSegLib.synthesis.deformation import smooth_field

Shape = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Pathology:
    """How lesions of one disease look.

    Attributes:
        diameter_mm: range of the mean diameter, drawn log-uniformly.
        elongation: largest ratio of longest to shortest axis.
        roughness: how far the border wanders, as a part of the radius.
        contrast: range of the brightness above normal white matter, in standard deviations of the brain.
        rim_mm: width of the blurred border.
    """

    diameter_mm: tuple[float, float]
    elongation: float
    roughness: float
    contrast: tuple[float, float]
    rim_mm: float


PATHOLOGIES = {
    "ms": Pathology((2.5, 16), 2.2, 0.35, (1.2, 3.5), 0.7),
    "small-vessel": Pathology((2, 9), 1.6, 0.3, (0.7, 2.2), 1.0),
    "stroke": Pathology((12, 45), 2.0, 0.6, (1.0, 3.5), 1.5),
    "tumour": Pathology((20, 60), 1.5, 0.5, (0.8, 3.0), 2.5),
}


def blob(pathology: Pathology, rng: np.random.Generator) -> np.ndarray:
    """One lesion as a soft mask in [0, 1] on a small 1 mm cube (built-in shape model)."""
    low, high = np.log(pathology.diameter_mm)
    radius = np.exp(rng.uniform(low, high)) / 2
    axes = radius * np.exp(rng.uniform(-0.5, 0.5, 3) * np.log(pathology.elongation))
    half = int(np.ceil(axes.max() * 1.5)) + 2
    grid = np.stack(np.meshgrid(*[np.arange(-half, half + 1, dtype=np.float32)] * 3, indexing="ij"))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0].astype(np.float32)
    rotated = np.einsum("ij,jxyz->ixyz", turn, grid) / axes[:, None, None, None]
    distance = np.sqrt((rotated**2).sum(0))
    distance += pathology.roughness * smooth_field(distance.shape, max(3.0, radius * 0.8), rng) * 1.5
    return _soft((distance < 1), pathology.rim_mm)


def _soft(mask: np.ndarray, rim_mm: float) -> np.ndarray:
    soft = ndimage.gaussian_filter(mask.astype(np.float32), rim_mm)
    return soft / max(float(soft.max()), 1e-6)


def insert_lesions(
    flair: np.ndarray,
    mask: np.ndarray,
    allowed: np.ndarray,
    count: int,
    rng: np.random.Generator,
    pathology: str = "ms",
    shapes: Shape | None = None,
    unit: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Put bright lesions into a FLAIR.

    Args:
        flair: intensities (X, Y, Z) at 1 mm.
        mask: lesions that are already there, in [0, 1].
        allowed: weight of each voxel as a lesion's centre (for example white matter), 0 = never.
        count: how many lesions.
        rng: source of chance; equal generators give equal patients.
        pathology: a name in :data:`PATHOLOGIES`.
        shapes: draws a soft mask (a, b, c) of one lesion; the built-in shape model when None.
        unit: intensity of one standard deviation of the brain; a lesion is brighter by 0.7 to 3.5 of it.

    Returns:
        New FLAIR and new soft mask (voxels above 0.5 are lesion); the inputs are unchanged.
    """
    flair, mask = flair.copy(), mask.astype(np.float32).copy()
    for target, soft, added in draw_lesions(allowed, count, rng, pathology, shapes, unit):
        flair[target] += added
        mask[target] = np.maximum(mask[target], soft)
    return flair, mask


def draw_lesions(
    allowed: np.ndarray,
    count: int,
    rng: np.random.Generator,
    pathology: str = "ms",
    shapes: Shape | None = None,
    unit: float = 1.0,
) -> Iterator[tuple[tuple[slice, ...], np.ndarray, np.ndarray]]:
    """The lesions that :func:`insert_lesions` puts in: for each the box, soft mask and what it adds to the FLAIR."""
    kind = PATHOLOGIES[pathology]
    places = np.flatnonzero(allowed > 0)
    if not len(places):
        return
    weights = allowed.ravel()[places].astype(np.float64)
    for place in rng.choice(places, size=count, p=weights / weights.sum()):
        lesion = shapes(rng) if shapes else blob(kind, rng)
        centre = np.unravel_index(place, allowed.shape)
        target, source = overlap(allowed.shape, lesion.shape, centre)
        soft = lesion[source] * (allowed[target] > 0 if pathology != "tumour" else 1.0)
        gain = rng.uniform(*kind.contrast) * unit
        texture = 1 + 0.25 * smooth_field(lesion.shape, 4, rng)[source]
        yield target, soft, soft * gain * texture


def insert_pattern(
    flair: np.ndarray, pattern: np.ndarray, tissue: np.ndarray, rng: np.random.Generator, unit: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Put the lesions of another patient, all at their places, into a FLAIR without lesions.

    Args:
        flair: intensities (X, Y, Z) at 1 mm.
        pattern: the other patient's lesion mask on this grid, brains aligned.
        tissue: where a lesion may lie (white and grey matter, no fluid), same shape.
        rng: source of chance.
        unit: intensity of one standard deviation of the brain.

    Returns:
        New FLAIR and soft mask in [0, 1]. The patient's lesions are brighter than their surroundings by one level of
        0.7 to 2 units, as measured in real scans, with a small difference between lesions.
    """
    inside = ndimage.binary_opening(tissue > 0)
    soft = _soft((pattern > 0) & inside, 0.6) * inside
    labels, count = ndimage.label(pattern > 0, np.ones((3, 3, 3)))
    single = np.concatenate([[1.0], np.exp(rng.normal(0, 0.2, count))])
    # soft borders reach beyond the labels: each voxel belongs to the nearest lesion
    nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    gain = rng.uniform(0.7, 2.0) * unit * single[labels[tuple(nearest)]]
    texture = 1 + 0.25 * smooth_field(flair.shape, 4, rng)
    return (flair + soft * gain * texture).astype(np.float32), soft


def remove_lesions(
    flair: np.ndarray, mask: np.ndarray, brain: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Paint lesions over with the texture of the brain around them, to get a lesion-free scan of a real scanner.

    Args:
        flair: intensities (X, Y, Z) at 1 mm; mask: lesions; brain: brain mask; all of one shape.
    """
    hole = ndimage.binary_dilation(mask > 0.1, iterations=2)
    source = (brain > 0) & ~hole
    spread = np.where(source, flair, 0)
    fill = np.zeros_like(flair)
    known = np.zeros_like(flair)
    for sigma in (2, 4, 8, 16):  # the nearest surroundings that say enough win
        weight = ndimage.gaussian_filter(source.astype(np.float32), sigma)
        guess = ndimage.gaussian_filter(spread, sigma) / np.maximum(weight, 1e-4)
        use = (known == 0) & (weight > 0.15)
        fill[use], known[use] = guess[use], 1
    detail = flair - ndimage.gaussian_filter(flair, 2)
    grain = detail[source].std() * ndimage.gaussian_filter(rng.normal(size=flair.shape), 0.7)
    blend = ndimage.gaussian_filter(hole.astype(np.float32), 0.8) * (brain > 0)
    return (flair * (1 - blend) + (fill + 1.5 * grain) * blend).astype(np.float32)


def overlap(
    shape: Sequence[int], size: Sequence[int], centre: Iterable[float]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    target, source = [], []
    for n, s, c in zip(shape, size, centre, strict=True):
        start = int(c) - s // 2
        a, b = max(start, 0), min(start + s, n)
        target.append(slice(a, b))
        source.append(slice(a - start, b - start))
    return tuple(target), tuple(source)
