"""The sequence of a brain scan, guessed from its grey values: file names and headers are often wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import nibabel

    from MSLesionSegLib.tasks import MRSequence

# Millimetres. The band below the top of the head holds much cortex and deep white matter, with or without a
# skull, in scans that were cut at the neck and in scans that were not.
_BAND_BELOW_TOP = (35.0, 85.0)
_CORE_RADIUS = 45.0
_SKULL_BRIDGE = 3.0
_SUPERFICIAL = (2.4, 4.9)
_DEEP = 7.0
_BIAS_SIGMA = 20.0

# Between the two ratios the scan is left undecided. Measured on 22 FLAIR (0.85 to 0.98) and 24 T1w scans
# (1.04 to 1.21, 7 of them with gadolinium) of four public data sets: MS and glioma, 1 to 8 mm slices, with
# and without skull.
_FLAIR_BELOW = 1.0
_T1W_ABOVE = 1.03
_T1W_TAIL_BELOW = 0.05


def guess_sequence(image: nibabel.Nifti1Image) -> MRSequence | None:
    """Guess from intensities whether a brain scan is a FLAIR or a T1-weighted one.

    Tissue right below the brain's surfaces is mostly cortex, tissue far from them mostly white matter. Cortex
    is the brighter of the two on FLAIR and the darker one on T1w. A T1w has in addition a longer dark tail
    (cortex) than bright tail, so a FLAIR whose white matter is full of lesions is not taken for a T1w.

    Args:
        image: 3D scan (X, Y, Z) of any orientation and spacing, finite, with or without skull.

    Returns:
        "FLAIR", "T1w", or None where the scan does not decide it or no brain is found. T2w and PDw scans also
        have a cortex brighter than white matter and may be called "FLAIR".
    """
    features = contrast_features(image)
    if features is None:
        return None
    ratio, tail = features
    if ratio > _T1W_ABOVE and tail < _T1W_TAIL_BELOW:
        return "T1w"
    if ratio < _FLAIR_BELOW:
        return "FLAIR"
    return None


def contrast_features(image: nibabel.Nifti1Image) -> tuple[float, float] | None:
    """Measure what :func:`guess_sequence` decides on.

    Returns:
        The ratio of deep to superficial tissue (medians, after flattening the bias field) and the tail, from
        -1 (the dark tail is longer) to 1 (the bright tail is longer). None where no brain is found.
    """
    from scipy import ndimage

    volume, spacing = _coarse(image)
    volume = _band(volume, spacing)
    brain = _crude_brain(volume, spacing)
    if np.count_nonzero(brain) * np.prod(spacing) < 50_000:
        return None

    sigma = [_BIAS_SIGMA / edge for edge in spacing]
    weight = ndimage.gaussian_filter(brain.astype(np.float32), sigma)
    smooth = ndimage.gaussian_filter(np.where(brain, volume, 0), sigma) / np.maximum(weight, 1e-3)
    flat = volume / np.maximum(smooth, 1e-6)

    depth = _depth(brain, spacing)
    superficial = (depth > _SUPERFICIAL[0]) & (depth < _SUPERFICIAL[1])
    deep = depth > _DEEP
    if np.count_nonzero(deep) < 50 or np.count_nonzero(superficial) < 50:
        return None
    ratio = np.median(flat[deep]) / max(np.median(flat[superficial]), 1e-6)
    low, middle, high = np.percentile(flat[depth > _SUPERFICIAL[0]], (5, 50, 95))
    tail = (high + low - 2 * middle) / max(high - low, 1e-6)
    return float(ratio), float(tail)


def _coarse(image: nibabel.Nifti1Image) -> tuple[np.ndarray, np.ndarray]:
    """Average blocks of voxels to about 1.6 x 1.6 x 4 mm in nearest-RAS order."""
    import nibabel as nib

    canonical = nib.as_closest_canonical(image)
    volume = np.asarray(canonical.dataobj, dtype=np.float32)
    spacing = nib.affines.voxel_sizes(canonical.affine)
    block = [
        min(size, max(1, round(wanted / edge)))
        for size, wanted, edge in zip(volume.shape, (1.6, 1.6, 4.0), spacing, strict=True)
    ]
    x, y, z = (size // step for size, step in zip(volume.shape, block, strict=True))
    whole = volume[: x * block[0], : y * block[1], : z * block[2]]
    coarse = whole.reshape(x, block[0], y, block[1], z, block[2]).mean(axis=(1, 3, 5))
    return coarse, np.asarray(spacing) * block


def _band(volume: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Cut out the axial slices a few centimetres below the top of the head."""
    positive = volume[volume > 0]
    if positive.size == 0:
        return volume
    head = volume > 0.12 * np.percentile(positive, 99)
    filled = np.flatnonzero(head.mean(axis=(0, 1)) > 0.02)
    top = int(filled.max()) if filled.size else volume.shape[2] - 1
    low, high = (round(top - below / spacing[2]) for below in reversed(_BAND_BELOW_TOP))
    low = max(low, 0)
    return volume[:, :, low : max(high, low) + 1]


def _crude_brain(volume: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Brain tissue, slice by slice: as grey as the centre, and not tied to the scalp by a wide bridge."""
    from scipy import ndimage

    brain = np.zeros(volume.shape, dtype=bool)
    positive = volume[volume > 0]
    if positive.size == 0:
        return brain
    head = volume > 0.12 * np.percentile(positive, 99)
    centre = ndimage.center_of_mass(head)
    x, y = np.indices(volume.shape[:2])
    radius = np.hypot((x - centre[0]) * spacing[0], (y - centre[1]) * spacing[1])
    core = head & (radius < _CORE_RADIUS)[:, :, None]
    if not core.any():
        return brain
    level = np.median(volume[core])
    tissue = (volume > 0.55 * level) & (volume < 1.7 * level)
    for index in range(volume.shape[2]):
        piece = tissue[:, :, index]
        labels, count = ndimage.label(_distance(piece, spacing) > _SKULL_BRIDGE)
        if count == 0:
            continue
        size = np.bincount(labels.ravel(), minlength=count + 1)
        central = np.bincount(labels[radius < _CORE_RADIUS], minlength=count + 1)
        keep = central > 0.3 * size
        keep[0] = False
        reach = ndimage.distance_transform_edt(~keep[labels], sampling=spacing[:2])
        brain[:, :, index] = piece & (reach < _SKULL_BRIDGE + 1.0) & keep.any()
    return brain


def _depth(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """In-plane distance to the nearest voxel outside, mm: thick slices would spoil a distance across them."""
    return np.stack([_distance(mask[:, :, index], spacing) for index in range(mask.shape[2])], axis=-1)


def _distance(plane: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    return ndimage.distance_transform_edt(np.pad(plane, 1), sampling=spacing[:2])[1:-1, 1:-1]
