"""Random shapes: affine plus smooth displacement, ventricle size, and smooth random fields."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from MSLesionSegLib.synthesis.anatomy import Anatomy


def smooth_field(shape: tuple[int, ...], scale_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth random field in [-1, 1], float32, whose bumps are ``scale_mm`` voxels wide."""
    step = max(1.0, scale_mm / 4)  # smooth on a coarse grid: the field has no finer detail anyway
    coarse = [int(np.ceil(n / step)) + 2 for n in shape]
    field = rng.uniform(-1, 1, coarse).astype(np.float32)
    field = ndimage.gaussian_filter(field, scale_mm / step / 3)
    field /= max(float(np.abs(field).max()), 1e-6)
    fine = ndimage.zoom(field, step, order=1, grid_mode=True, mode="nearest") if step > 1 else field
    return fine[tuple(slice(n) for n in shape)]


def deform_anatomy(anatomy: Anatomy, rng: np.random.Generator) -> Anatomy:
    """Another person's head: the anatomy seen through :func:`other_head`, the template being large."""
    source = other_head(anatomy.ventricles, rng, size=(0.84, 1.06))
    maps = {
        name: ndimage.map_coordinates(volume, source, order=1, mode="constant")
        for name, volume in anatomy.maps().items()
    }
    maps["brain"] = (maps["brain"] > 0.5).astype(np.float32)
    return Anatomy(**maps, affine=anatomy.affine)


def other_head(
    ventricles: np.ndarray, rng: np.random.Generator, size: tuple[float, float] = (0.9, 1.1)
) -> np.ndarray:
    """Where another person's head is found in this one: random size, pose, smooth shape change and ventricle size.

    Rotation up to 10 degrees, local displacement up to about 6 mm, ventricles 80 to 150 %.

    Args:
        ventricles: 1 inside the ventricles (X, Y, Z), 1 mm.
        rng: source of chance.
        size: range of the size along each axis.

    Returns:
        Voxel coordinates (3, X, Y, Z) float32, as ``scipy.ndimage.map_coordinates`` takes them.
    """
    shape = ventricles.shape
    centre = np.array(shape) / 2
    angles = np.deg2rad(rng.uniform(-10, 10, 3))
    matrix = Rotation.from_euler("xyz", angles).as_matrix() @ np.diag(1 / rng.uniform(*size, 3))
    grid = np.stack(np.meshgrid(*[np.arange(n, dtype=np.float32) for n in shape], indexing="ij"))
    source = np.einsum("ij,jxyz->ixyz", matrix.astype(np.float32), grid - centre[:, None, None, None])
    source += centre[:, None, None, None] + rng.uniform(-4, 4, (3, 1, 1, 1))
    source += np.stack([smooth_field(shape, 40, rng) for _ in range(3)]) * 6
    source += _ventricle_pull(ventricles, rng.uniform(-1.0, 4.0))
    return source.astype(np.float32)


def _ventricle_pull(ventricles: np.ndarray, millimetres: float) -> np.ndarray:
    # sampling nearer to the ventricle than one stands makes it grow; the pull fades over 12 mm
    distance, nearest = ndimage.distance_transform_edt(ventricles < 0.5, return_indices=True)
    here = np.indices(ventricles.shape)
    direction = (nearest - here) / np.maximum(distance, 1e-3)
    strength = millimetres * np.exp(-((distance / 12) ** 2))
    return (direction * strength).astype(np.float32)
