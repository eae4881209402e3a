"""Enhancement after gadolinium: MS-like and metastasis-like foci, and the normal enhancement of vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MSLesionSegLib.synthesis.deformation import smooth_field
from MSLesionSegLib.synthesis.lesions import Pathology, blob, overlap

FLUID_Z = -1.3  # darker voxels of a z-scored T1 are fluid
WHITE_Z = 0.2  # brighter ones white matter
FORMS = ("homogeneous", "ring", "open ring")


@dataclass(frozen=True)
class Enhancement:
    """How the enhancing foci of one disease look on T1.

    Attributes:
        outline: shape of a whole focus; its contrast is the gain after gadolinium in deviations of the brain.
        forms: how often a focus is homogeneous, a ring, an open ring; small foci have no ring.
        rim_mm: range of a ring's width.
        darkness: range of the darkening before gadolinium, in the same unit.
        oedema_mm: how far that darkening reaches beyond the focus.
        where: ``white`` (white matter and its border) or ``brain``.
    """

    outline: Pathology
    forms: tuple[float, float, float]
    rim_mm: tuple[float, float]
    darkness: tuple[float, float]
    oedema_mm: float
    where: str


ENHANCEMENTS = {
    "ms": Enhancement(
        Pathology((3, 10), 1.7, 0.25, (1.3, 5.0), 0.6), (0.6, 0.2, 0.2), (1.2, 2.2), (0.0, 1.2), 1.0, "white"
    ),
    "metastasis": Enhancement(
        Pathology((3, 25), 1.5, 0.3, (2.0, 8.0), 0.8), (0.5, 0.4, 0.1), (1.5, 4.0), (0.0, 1.5), 4.0, "brain"
    ),
}
SMALLEST_RING_MM = 5.0

Pair = tuple[np.ndarray, np.ndarray]


def insert_foci(
    pre: np.ndarray,
    post: np.ndarray,
    mask: np.ndarray,
    count: int,
    rng: np.random.Generator,
    disease: str = "ms",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put enhancing foci into a T1 pair.

    Args:
        pre, post: z-scored T1 before and after gadolinium (X, Y, Z) at 1 mm, exactly 0 outside the brain.
        mask: enhancing tissue that is there already, in [0, 1].
        count: how many; they keep away from each other, from what enhances and from the edge of the brain.
        rng: source of chance.
        disease: a name in :data:`ENHANCEMENTS`.

    Returns:
        New pre, post and soft mask of enhancing tissue; the inputs are unchanged. Foci without a place are left out.
    """
    kind = ENHANCEMENTS[disease]
    pre, post, mask = pre.copy(), post.copy(), mask.astype(np.float32).copy()
    tissue = ndimage.gaussian_filter(pre, 0.7)
    fluid = ndimage.binary_dilation((pre != 0) & (tissue < FLUID_Z))
    free = _places(pre, post, kind.where) & (mask < 0.05)
    for _ in range(count):
        places = np.flatnonzero(free)
        if not len(places):
            break
        centre = np.unravel_index(rng.choice(places), pre.shape)
        whole, enhancing = _focus(kind, rng)
        target, source = overlap(pre.shape, whole.shape, centre)
        inside = (pre[target] != 0) & ~fluid[target]
        soft = enhancing[source] * inside
        texture = 1 + 0.2 * smooth_field(whole.shape, 4, rng)[source]
        dark = ndimage.gaussian_filter(whole, kind.oedema_mm)[source] * rng.uniform(*kind.darkness) * inside
        pre[target] -= dark
        post[target] += soft * texture * rng.uniform(*kind.outline.contrast) - dark
        mask[target] = np.maximum(mask[target], soft)
        free[_around(pre.shape, centre, whole.shape[0])] = False
    return pre, post, mask


def insert_decoys(pre: np.ndarray, post: np.ndarray, count: int, rng: np.random.Generator) -> Pair:
    """Put spots into a T1 pair that do not enhance: dark in both scans, or bright in both."""
    pre, post = pre.copy(), post.copy()
    places = np.flatnonzero(_places(pre, post, "brain"))
    for _ in range(count if len(places) else 0):
        whole, _ = _focus(ENHANCEMENTS["ms"], rng)
        target, source = overlap(pre.shape, whole.shape, np.unravel_index(rng.choice(places), pre.shape))
        change = whole[source] * (rng.uniform(-2.0, -0.5) if rng.random() < 0.6 else rng.uniform(0.5, 3.0))
        for scan in (pre, post):
            scan[target] += change * (scan[target] != 0)
    return pre, post


def insert_vessels(
    post: np.ndarray,
    starts: np.ndarray,
    count: int,
    rng: np.random.Generator,
    *,
    widths_mm: tuple[float, ...] = (0.4, 0.6, 0.9),
    brightest: float = 8.0,
) -> np.ndarray:
    """Put winding bright vessels of 8 to 50 mm length into a T1 after gadolinium.

    Args:
        post: z-scored (X, Y, Z) at 1 mm, exactly 0 outside the brain.
        starts: where vessels may begin, nonzero inside.
        count: how many.
        widths_mm: standard deviations of the vessels' profiles.
        brightest: gain in their middle, at most.
    """
    places = np.flatnonzero(starts)
    if not len(places) or not count:
        return post
    bright = np.zeros_like(post)
    for width in widths_mm:
        canvas = np.zeros_like(post)
        for place in rng.choice(places, size=int(rng.integers(0, 2 * count // len(widths_mm) + 1))):
            line = _winding(np.array(np.unravel_index(place, post.shape)), int(rng.integers(8, 50)), rng)
            voxels = np.rint(line).astype(int)
            voxels = voxels[((voxels >= 0) & (voxels < post.shape)).all(1)]
            canvas[tuple(voxels.T)] = np.maximum(canvas[tuple(voxels.T)], rng.uniform(1.0, brightest))
        # the middle of a blurred straight line has the height of a two-dimensional Gaussian's
        bright = np.maximum(bright, ndimage.gaussian_filter(canvas, width) * 2 * np.pi * width**2)
    return np.where(post != 0, post + np.minimum(bright, 9.0), 0).astype(np.float32)


def enhance_normally(pre: np.ndarray, brain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A T1 after gadolinium made from one before it, without lesions.

    What enhances in everyone does: vessels in the sulci and in the white matter, dura and sinuses at the brain's
    surface, the falx, and the choroid plexus in the ventricles.

    Args:
        pre: z-scored T1 (X, Y, Z) at 1 mm, RAS, exactly 0 outside the brain.
        brain: brain mask of that shape.
    """
    inside = brain > 0
    depth = ndimage.distance_transform_edt(inside)
    fluid = inside & (ndimage.gaussian_filter(pre, 0.7) < FLUID_Z)
    middle = int(np.argwhere(inside).mean(0)[0])
    falx = np.zeros_like(inside)
    falx[middle - 1 : middle + 2] = True
    gain = rng.uniform(0.6, 1.4)
    dura = (depth < rng.uniform(1.5, 4)) & (smooth_field(pre.shape, 12, rng) > rng.uniform(0.0, 0.5))
    plexus = fluid & (depth > 20) & (smooth_field(pre.shape, 5, rng) > 0.25)
    level = 5 * dura + 3 * (falx & fluid & (depth > 3)) + 5 * plexus
    post = pre + gain * ndimage.gaussian_filter(level.astype(np.float32), 0.6) * inside
    near_fluid = ndimage.binary_dilation(fluid & (depth > 3)) & inside
    sulcal = insert_vessels(post, near_fluid, 120, rng) - post
    white = ndimage.gaussian_filter(pre, 1.0) > WHITE_Z  # thick vessels run in the sulci
    post = post + sulcal * np.where(white, 0.2, 1.0)
    post = insert_vessels(post, inside & (depth > 12), 40, rng, widths_mm=(0.4, 0.5), brightest=3.0)
    return (post * inside).astype(np.float32)


def _places(pre: np.ndarray, post: np.ndarray, where: str) -> np.ndarray:
    """Voxels on which a focus may be centred: tissue, two voxels from the brain's edge, nothing bright close by."""
    brain = pre != 0
    tissue = ndimage.gaussian_filter(pre, 1.0)
    bright = ndimage.binary_dilation(ndimage.gaussian_filter(post - pre, 0.5) > 1.2, iterations=2)
    # the array's border is no edge of the brain
    deep = ndimage.binary_erosion(brain, iterations=3, border_value=1)
    return deep & ~bright & (tissue > (WHITE_Z if where == "white" else FLUID_Z + 0.5))


def _focus(kind: Enhancement, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A whole focus and the part of it that enhances, soft in [0, 1] on a small 1 mm cube."""
    whole = blob(kind.outline, rng)
    hard = whole > 0.5
    diameter = 2 * (hard.sum() * 3 / (4 * np.pi)) ** (1 / 3)
    form = rng.choice(FORMS, p=kind.forms) if diameter >= SMALLEST_RING_MM else "homogeneous"
    if form == "homogeneous":
        return whole, whole
    rim = hard & (ndimage.distance_transform_edt(hard) <= rng.uniform(*kind.rim_mm))
    if form == "open ring":
        away = np.indices(hard.shape).astype(np.float32) - (np.array(hard.shape) // 2).reshape(3, 1, 1, 1)
        gap = rng.normal(size=3)
        cosine = np.tensordot(gap / np.linalg.norm(gap), away, 1) / np.maximum(
            np.linalg.norm(away, axis=0), 1e-3
        )
        rim &= cosine < np.cos(np.deg2rad(rng.uniform(30, 75)))
    soft = ndimage.gaussian_filter(rim.astype(np.float32), kind.outline.rim_mm)
    return whole, soft / max(float(soft.max()), 1e-6)


def _winding(start: np.ndarray, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Points (N, 3) half a millimetre apart along a random smooth curve."""
    direction = rng.normal(size=3)
    turns = ndimage.gaussian_filter1d(rng.normal(size=(2 * steps, 3)), 4, axis=0)
    course = direction / np.linalg.norm(direction) + np.cumsum(turns, axis=0) * 0.5
    course /= np.maximum(np.linalg.norm(course, axis=1, keepdims=True), 1e-3)
    return start + np.cumsum(course, axis=0) * 0.5


def _around(shape: tuple[int, ...], centre: tuple[int, ...], edge: int) -> tuple[slice, ...]:
    return tuple(slice(max(int(c) - edge, 0), int(c) + edge) for c in centre)
