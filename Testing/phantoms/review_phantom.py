"""A small probability map to review: blobs with peaks of their own."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from MSLesionSegLib.review.review import Review

SHAPE = (40, 40, 20)


AFFINE = np.array([[-1.0, 0, 0, 20], [0, 1, 0, -20], [0, 0, 2, -20], [0, 0, 0, 1]])


SPOTS = ((10, 10, 10, 0.95, 4.0), (28, 28, 10, 0.8, 3.0), (28, 8, 8, 0.6, 3.0), (10, 30, 10, 0.3, 3.0))


def blob(x: int, y: int, z: int, peak: float, radius: float) -> np.ndarray:
    i, j, k = np.indices(SHAPE)
    distance = np.sqrt((i - x) ** 2 + (j - y) ** 2 + 4.0 * (k - z) ** 2)
    return (peak * np.clip(1.5 - distance / radius, 0, 1)).astype(np.float32)


def ras(voxel: tuple[int, ...]) -> np.ndarray:
    return nib.affines.apply_affine(AFFINE, voxel)


def decision_at(review: Review, voxel: tuple[int, int, int]) -> str:
    (row,) = (row for row in review.rows if row.lesion.id == review.number_at(voxel))
    return row.decision


def beads(link: float) -> nib.Nifti1Image:
    """Two lesions in a row, of 5 and 8 mm3, and a voxel between them."""
    data = np.zeros((20, 12, 12), np.float32)
    data[3:8, 5, 5] = data[9:17, 5, 5] = 0.9
    data[8, 5, 5] = link
    return nib.Nifti1Image(data, np.eye(4))
