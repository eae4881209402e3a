"""From tissue fractions to MR intensities: contrast, head shell, bias field and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MSLesionSegLib.synthesis.anatomy import Anatomy
from MSLesionSegLib.synthesis.deformation import smooth_field


@dataclass(frozen=True)
class Contrast:
    """Mean intensities of a FLAIR with white matter = 1."""

    grey: float
    fluid: float
    scalp: float
    bone: float


def random_flair(rng: np.random.Generator) -> Contrast:
    """FLAIR as different scanners show it: fluid dark, grey matter a little brighter than white."""
    return Contrast(
        grey=rng.uniform(1.08, 1.4),
        fluid=rng.uniform(0.12, 0.45),
        scalp=rng.uniform(0.8, 2.4),
        bone=rng.uniform(0.03, 0.25),
    )


def brain_signal(anatomy: Anatomy, contrast: Contrast, rng: np.random.Generator) -> np.ndarray:
    """Noise-free signal inside the brain, 0 outside; float32 (X, Y, Z).

    White matter carries a fine texture and the normal bright rim around the ventricles that is no lesion.
    """
    shape = anatomy.white.shape
    texture = 1 + rng.uniform(0.01, 0.05) * smooth_field(shape, 6, rng) + 0.04 * smooth_field(shape, 30, rng)
    signal = anatomy.white + anatomy.grey * contrast.grey + anatomy.fluid * contrast.fluid
    rim = np.exp(-ndimage.distance_transform_edt(anatomy.ventricles < 0.5) / 1.5)
    signal += rng.uniform(0, 0.3) * rim * anatomy.white
    return (signal * texture * anatomy.brain).astype(np.float32)


def head_signal(brain: np.ndarray, contrast: Contrast, rng: np.random.Generator) -> np.ndarray:
    """Signal of everything around a brain mask: fluid gap, bone, scalp, face, eyes and neck; 0 in the brain."""
    shape = brain.shape
    distance = ndimage.distance_transform_edt(brain < 0.5).astype(np.float32)
    wobble = smooth_field(shape, 25, rng)
    gap = rng.uniform(0.5, 2.5) + 1.0 * wobble
    bone = gap + rng.uniform(3, 7) + 2.0 * wobble
    scalp = bone + rng.uniform(3, 8) + 3.0 * smooth_field(shape, 40, rng)
    texture = 1 + 0.5 * smooth_field(shape, 8, rng)
    signal = np.zeros(shape, np.float32)
    outside = brain < 0.5
    signal[outside & (distance <= scalp)] = contrast.scalp
    signal[outside & (distance <= bone)] = contrast.bone
    signal[outside & (distance <= gap)] = contrast.fluid
    face = _face(brain, rng) & outside & (distance > gap)
    muscle = np.clip(0.8 + 0.9 * smooth_field(shape, 10, rng), 0.05, None)
    signal[face & (distance > bone * 0.6)] = (muscle * contrast.scalp * 0.6)[face & (distance > bone * 0.6)]
    return ndimage.gaussian_filter(signal * texture, 0.6) * outside


def _face(brain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Below and in front of the brain: an ellipsoid for the face and a cylinder for the neck."""
    x, y, z = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in brain.shape], indexing="ij")
    inside = np.argwhere(brain > 0.5)
    low, high = inside.min(0), inside.max(0)
    middle = (low + high) / 2
    size = (high - low) / 2
    face = ((x - middle[0]) / (size[0] * rng.uniform(0.8, 1.0))) ** 2
    face = face + ((y - middle[1] - size[1] * 0.45) / (size[1] * rng.uniform(0.6, 0.8))) ** 2
    face = face + ((z - low[2]) / (size[2] * rng.uniform(0.7, 1.0))) ** 2
    neck = np.hypot(x - middle[0], y - middle[1] + size[1] * 0.2) < size[0] * rng.uniform(0.7, 0.95)
    return (face < 1) | (neck & (z < low[2] + size[2] * 0.6))


def acquire(signal: np.ndarray, rng: np.random.Generator, noise: float, bias: float) -> np.ndarray:
    """Bias field (relative strength) and Rician noise (relative to white matter = 1); float32, never negative."""
    field = np.exp(bias * smooth_field(signal.shape, 70, rng))
    real = signal * field + rng.normal(0, noise, signal.shape)
    imaginary = rng.normal(0, noise, signal.shape)
    return np.hypot(real, imaginary).astype(np.float32)
