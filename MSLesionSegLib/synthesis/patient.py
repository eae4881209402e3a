"""A whole synthetic patient: FLAIR, true lesion mask and true brain mask."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy import ndimage

from MSLesionSegLib.synthesis.anatomy import Anatomy, template_anatomy
from MSLesionSegLib.synthesis.deformation import deform_anatomy
from MSLesionSegLib.synthesis.lesions import Shape, insert_lesions
from MSLesionSegLib.synthesis.mr_signal import acquire, brain_signal, head_signal, random_flair

BRAIN_UNIT = 0.2  # one standard deviation of the brain's intensity when white matter is 1


@dataclass(frozen=True)
class SyntheticPatient:
    """FLAIR (float32), lesion mask and brain mask (uint8), all on one grid."""

    flair: nib.Nifti1Image
    mask: nib.Nifti1Image
    brain: nib.Nifti1Image


def synthetic_patient(
    seed: int,
    *,
    lesions: int = 12,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    skull: bool = True,
    pathology: str = "ms",
    shapes: Shape | None = None,
) -> SyntheticPatient:
    """Make a patient. The same arguments give the same patient, bit for bit.

    Args:
        seed: source of chance for anatomy, contrast, lesions, bias field and noise.
        lesions: how many lesions are put in; some may touch and become one.
        spacing: voxel size in mm (left-right, front-back, head-foot); thick slices are averaged, as a scanner does.
        skull: with head and face, or brain-extracted (0 outside the brain).
        pathology: ``ms``, ``small-vessel``, ``stroke`` or ``tumour``.
        shapes: real lesion shapes to draw from; the built-in shape model when None.
    """
    rng = np.random.default_rng(seed)
    anatomy = deform_anatomy(template_anatomy(), rng)
    contrast = random_flair(rng)
    signal = brain_signal(anatomy, contrast, rng)
    empty = np.zeros_like(signal)
    if lesions:
        signal, soft = insert_lesions(
            signal, empty, lesion_places(anatomy, pathology), lesions, rng, pathology, shapes, BRAIN_UNIT
        )
    else:
        soft = empty
    if skull:
        signal = np.where(anatomy.brain > 0, signal, head_signal(anatomy.brain, contrast, rng))
    return acquired_patient(signal, soft, anatomy.brain, anatomy.affine, rng, spacing=spacing, skull=skull)


def acquired_patient(
    signal: np.ndarray,
    lesions: np.ndarray,
    brain: np.ndarray,
    affine: np.ndarray,
    rng: np.random.Generator,
    *,
    spacing: tuple[float, float, float],
    skull: bool,
) -> SyntheticPatient:
    """What a scanner makes of a head: slices averaged to their thickness, coil and noise.

    Args:
        signal: noise-free head (X, Y, Z) at 1 mm, white matter = 1.
        lesions, brain: in [0, 1], on the same grid.
        affine: of that grid.
        rng: source of chance.
        spacing, skull: see :func:`synthetic_patient`.
    """
    signal, lesions, brain = (_average_slices(volume, spacing) for volume in (signal, lesions, brain))
    image = acquire(signal, rng, noise=rng.uniform(0.01, 0.05), bias=rng.uniform(0.05, 0.35))
    if not skull:
        image *= brain > 0.5
    scanned = affine @ np.diag([*spacing, 1.0])
    scanned[:3, 3] = affine[:3, 3] + (np.array(spacing) - 1) / 2
    return SyntheticPatient(
        flair=nib.Nifti1Image(image * np.float32(400), scanned),
        mask=nib.Nifti1Image(((lesions > 0.5) & (brain > 0.5)).astype(np.uint8), scanned),
        brain=nib.Nifti1Image((brain > 0.5).astype(np.uint8), scanned),
    )


def lesion_places(anatomy: Anatomy, pathology: str) -> np.ndarray:
    """Where lesions of a disease arise: weights (X, Y, Z), 0 = never.

    MS favours the white matter near the ventricles, then the border to the cortex; the others any white matter.
    """
    white = anatomy.white > 0.55
    if pathology != "ms":
        return white.astype(np.float32)
    to_ventricles = ndimage.distance_transform_edt(anatomy.ventricles < 0.5)
    to_grey = ndimage.distance_transform_edt(anatomy.grey < 0.6)
    return (white * (0.15 + np.exp(-to_ventricles / 6) * 2 + 0.35 * (to_grey < 2.5))).astype(np.float32)


def _average_slices(volume: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Average over voxels of ``spacing`` mm from a 1 mm volume (box profile), sampled at their centres."""
    for axis, size in enumerate(spacing):
        if size <= 1 and np.isclose(size, 1):
            continue
        count = int(volume.shape[axis] // size)
        edges = np.concatenate([np.zeros_like(volume.take([0], axis)), np.cumsum(volume, axis)], axis)
        position = np.arange(count + 1) * size
        low = np.floor(position).astype(int).clip(0, volume.shape[axis] - 1)
        share = (position - low).reshape([-1 if a == axis else 1 for a in range(3)])
        total = edges.take(low, axis) * (1 - share) + edges.take(low + 1, axis) * share
        volume = np.diff(total, axis=axis) / size
    return volume.astype(np.float32)
