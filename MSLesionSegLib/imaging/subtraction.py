"""Follow-up minus baseline: the same grid, the same sharpness, the same intensity scale."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from scipy import ndimage

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.grid import NETWORK_SPACING_MM, to_network_grid
from MSLesionSegLib.imaging.normalization import tissue_scale
from MSLesionSegLib.imaging.registration import Registration, correlation

_SMALLEST_OVERLAP_ML = 100.0
_FWHM = 2.355
_FIELD_STEP, _FIELD_SIGMA_MM = 4, 8.0
_TRIM = 3.0
_LEAST_TISSUE = 0.5


@dataclass(frozen=True, eq=False)
class Subtraction:
    """Two scans of one patient in the space of the baseline, all on one isotropic RAS grid.

    Attributes:
        baseline, followup: z-scores of the baseline's tissue, 0 outside ``brain``, float32 (X, Y, Z).
        brain: what either scan's brain mask holds and both scans show, bool (X, Y, Z).
        affine: voxel to RAS millimetres, (4, 4).
        covered: part of the baseline's brain that the follow-up shows, 0 to 1.
        covered_followup: part of the follow-up's brain that the baseline shows, 0 to 1.
        correlation: of both scans within ``brain``, after all matching.
        slice_mm: coarsest voxel edge of the two scans.
    """

    baseline: np.ndarray
    followup: np.ndarray
    brain: np.ndarray
    affine: np.ndarray
    covered: float
    covered_followup: float
    correlation: float
    slice_mm: float

    @property
    def difference(self) -> np.ndarray:
        """Follow-up minus baseline, float32 (X, Y, Z)."""
        return self.followup - self.baseline


def subtract(
    baseline: nib.Nifti1Image,
    followup: nib.Nifti1Image,
    baseline_brain: nib.Nifti1Image,
    followup_brain: nib.Nifti1Image,
    registration: Registration,
    lesions: nib.Nifti1Image | None = None,
    spacing: float = NETWORK_SPACING_MM,
) -> Subtraction:
    """Bring both scans to one grid and scale and subtract the baseline.

    Each scan is resampled once. The finer one of two slice thicknesses is blurred to the coarser one before, because
    partial volume looks like change. The slowly varying ratio of both scans (coil, gain) is divided out after Lewis
    and Fox (NeuroImage 2004;23:75-83); the follow-up is then matched linearly.

    Args:
        baseline, followup: scans (X, Y, Z).
        baseline_brain, followup_brain: masks on their grids.
        registration: of the follow-up (moving) to the baseline (fixed).
        lesions: mask on the baseline's grid of what must not take part in the matching.
        spacing: edge of the voxels in mm.

    Raises:
        ImageError: the fields of view, or the brains, hardly overlap.
    """
    grid = to_network_grid(_soft(baseline_brain), spacing)
    first = np.asarray(grid.dataobj) >= 0.5
    second = np.asarray(registration.apply(_soft(followup_brain), grid).dataobj) >= 0.5
    whole = nib.Nifti1Image(np.ones(followup.shape[:3], np.float32), followup.affine)
    seen = np.asarray(registration.apply(whole, grid).dataobj) > 0.99
    brain = (first | second) & seen
    if (first & second & seen).sum() * spacing**3 / 1000 < _SMALLEST_OVERLAP_ML:
        raise ImageError(
            "Baseline and follow-up show hardly any common part of the brain. Check that both are of the same "
            "patient and cover the head."
        )
    before = np.asarray(to_network_grid(as_coarse_as(baseline, followup.affine), spacing).dataobj)
    after = np.asarray(registration.apply(as_coarse_as(followup, baseline.affine), grid).dataobj)
    use = brain.copy()
    if lesions is not None:
        rest = brain & (np.asarray(to_network_grid(_soft(lesions), spacing).dataobj) < 0.1)
        if rest.sum() > _LEAST_TISSUE * brain.sum():  # a mask of nearly everything is no mask of lesions
            use = rest
    after = after / relative_field(after, before, use)
    mean, deviation = tissue_scale(before[use])
    before, after = (before - mean) / deviation, (after - mean) / deviation
    gain, shift = linear_match(after[use], before[use])
    before, after = (
        np.where(brain, volume, 0).astype(np.float32) for volume in (before, gain * after + shift)
    )
    outside = _share_shown(registration, baseline, followup, followup_brain)
    return Subtraction(
        baseline=before,
        followup=after,
        brain=brain,
        affine=grid.affine,
        covered=float((first & seen).sum() / max(first.sum(), 1)),
        covered_followup=outside,
        correlation=correlation(after[brain], before[brain]),
        slice_mm=float(max(voxel_sizes(image.affine).max() for image in (baseline, followup))),
    )


def as_coarse_as(image: nib.Nifti1Image, other: np.ndarray) -> nib.Nifti1Image:
    """Blur a scan where its voxels are finer than those of another one.

    Args:
        image: scan (X, Y, Z).
        other: affine of the other scan, about aligned with it.

    Returns:
        float32 scan on its own grid. Each axis gets what is missing to the other's voxel size along that direction.
    """
    directions = image.affine[:3, :3] / voxel_sizes(image.affine)
    theirs = np.sqrt(((directions.T @ other[:3, :3]) ** 2).sum(axis=1))
    data = np.asarray(image.dataobj, dtype=np.float32)
    for axis, (own, their) in enumerate(zip(voxel_sizes(image.affine), theirs, strict=True)):
        sigma = np.sqrt(max(their**2 - own**2, 0.0)) / _FWHM / own
        if sigma > 0.3:
            data = ndimage.gaussian_filter1d(data, sigma, axis=axis)
    return nib.Nifti1Image(data, image.affine)


def relative_field(image: np.ndarray, reference: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The slowly varying ratio of two aligned scans, by Gaussian smoothing of its logarithm inside a mask.

    Args:
        image, reference: intensities (X, Y, Z) at 1 mm; mask: bool of the same shape.

    Returns:
        float32 (X, Y, Z), positive, with median 1 inside the mask.
    """
    low = 0.2 * np.median(reference[mask]), 0.2 * np.median(image[mask])
    use = mask & (reference > max(low[0], 1e-6)) & (image > max(low[1], 1e-6))
    ratio = np.zeros(image.shape, np.float32)
    ratio[use] = np.log(image[use] / reference[use])
    if not use.any():
        return np.ones(image.shape, np.float32)
    middle = np.median(ratio[use])
    limit = _TRIM * 1.4826 * np.median(np.abs(ratio[use] - middle)) + 1e-6
    use &= np.abs(ratio - middle) <= limit
    weight = _blocks(use.astype(np.float32))
    total = _blocks(np.where(use, ratio - middle, 0).astype(np.float32))
    sigma = _FIELD_SIGMA_MM / _FIELD_STEP
    smooth = ndimage.gaussian_filter(total, sigma) / np.maximum(ndimage.gaussian_filter(weight, sigma), 1e-3)
    index = np.indices(image.shape, dtype=np.float32) / _FIELD_STEP - (_FIELD_STEP - 1) / (2 * _FIELD_STEP)
    field = ndimage.map_coordinates(smooth, index, order=1, mode="nearest")
    return np.exp(field - np.median(field[mask])).astype(np.float32)


def linear_match(values: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Gain and shift that bring values to the scale of a reference, both (N,), without following what changed.

    Reduced major axis (both lists are noisy, so neither is regressed on the other), repeated without the pairs that
    differ by more than three robust standard deviations.
    """
    gain, shift = 1.0, 0.0
    use = np.ones(values.shape, bool)
    for _ in range(5):
        gain = float(reference[use].std() / max(values[use].std(), 1e-6))
        shift = float(reference[use].mean() - gain * values[use].mean())
        residual = gain * values + shift - reference
        middle = np.median(residual)
        use = np.abs(residual - middle) <= _TRIM * 1.4826 * np.median(np.abs(residual - middle)) + 1e-6
    return gain, shift


def _blocks(volume: np.ndarray) -> np.ndarray:
    """Means over cubes of ``_FIELD_STEP`` voxels."""
    padded = np.pad(volume, [(0, -n % _FIELD_STEP) for n in volume.shape])
    x, y, z = (n // _FIELD_STEP for n in padded.shape)
    return padded.reshape(x, _FIELD_STEP, y, _FIELD_STEP, z, _FIELD_STEP).mean(axis=(1, 3, 5))


def _share_shown(
    registration: Registration,
    baseline: nib.Nifti1Image,
    followup: nib.Nifti1Image,
    followup_brain: nib.Nifti1Image,
) -> float:
    """Part of the follow-up's brain that lies in the baseline's field of view."""
    whole = nib.Nifti1Image(np.ones(baseline.shape[:3], np.float32), baseline.affine)
    seen = np.asarray(registration.inverse.apply(whole, followup).dataobj) > 0.5
    inside = np.asarray(followup_brain.dataobj) > 0
    return float((inside & seen).sum() / max(inside.sum(), 1))


def _soft(mask: nib.Nifti1Image) -> nib.Nifti1Image:
    return nib.Nifti1Image((np.asarray(mask.dataobj) > 0).astype(np.float32), mask.affine)
