"""What bears a change out: the two scans, and how the FLAIR model reads each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MSLesionSegLib.imaging.checks.comparability import THICK_MM

_AROUND_VOXELS = 8
_SMALLEST_SPREAD = 1e-6


@dataclass(frozen=True)
class ChangeLimits:
    """What a change must show to count. Brightness is the mean over the change, in standard deviations of tissue.

    The network of change normalises what it sees, so where nothing differs it marks differences of a few hundredths:
    only a limit in absolute terms holds them back.

    Attributes:
        rise_z: brighter by at least this on the scan that shows the lesion than on the other.
        tissue_z: at least this bright on the other scan: tissue and no CSF, where no lesion can arise.
        support, mean_support: highest and mean probability of lesion at the timepoint that shows it.
        absent_support: mean probability of lesion at the other timepoint, at most, so that a lesion that one scan
            shows a little less is no change.
        bright_z, depth_mm, local_contrast: instead of support, for a lesion that the FLAIR model overlooks: at least
            this bright, reaching this far below the surface of the brain, and standing out from the difference of
            the scans around it (2 to 8 voxels away) by so many times its spread there, so that what registration
            and coil leave over is no lesion. Not where slices are thick.
        thick_mm: slices above this are thick; across them partial volume changes much.
        thick_rise_z, thick_mm3, thick_support: there the rise, a smallest volume, and the highest probability.
    """

    rise_z: float = 0.3
    tissue_z: float = -0.75
    support: float = 0.3
    mean_support: float = 0.05
    absent_support: float = 0.4
    bright_z: float = 0.3
    depth_mm: float = 6.0
    local_contrast: float = 3.5
    thick_mm: float = THICK_MM
    thick_rise_z: float = 0.5
    thick_mm3: float = 50.0
    thick_support: float = 0.9


@dataclass(frozen=True, eq=False)
class DirectedChange:
    """Change in one direction, all (X, Y, Z) on one grid.

    Attributes:
        change: number of each change, 1 to ``count``, 0 outside.
        count: how many there are.
        lesion, lesion_absent: probability of lesion at the timepoint that shows it and at the other one.
        there, absent: z-scored scans with the lesion and without.
    """

    change: np.ndarray
    count: int
    lesion: np.ndarray
    lesion_absent: np.ndarray
    there: np.ndarray
    absent: np.ndarray


def accepted_change(
    direction: DirectedChange, depth: np.ndarray, voxel_mm3: float, slice_mm: float, limits: ChangeLimits
) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the changes that count, and of those that would if the other scan did not show the lesion as well.

    Args:
        direction: what was found.
        depth: distance to the surface of the brain in mm, (X, Y, Z).
        voxel_mm3: volume of a voxel of the grid.
        slice_mm: coarsest voxel edge of the two scans.
        limits: what a change must show.

    Returns:
        Both bool (X, Y, Z); no change is in both.
    """
    numbers = np.arange(direction.count + 1)

    def over_each(statistic: Callable[..., np.ndarray], volume: np.ndarray) -> np.ndarray:
        return np.asarray(statistic(volume, direction.change, numbers))

    there, absent = (over_each(ndimage.mean, scan) for scan in (direction.there, direction.absent))
    thick = slice_mm > limits.thick_mm
    shown = there - absent >= (limits.thick_rise_z if thick else limits.rise_z)
    shown &= absent >= limits.tissue_z
    if thick:
        sizes = np.bincount(direction.change.ravel(), minlength=len(numbers))
        shown &= sizes * voxel_mm3 >= limits.thick_mm3
    seen = over_each(ndimage.maximum, direction.lesion) >= (limits.thick_support if thick else limits.support)
    seen &= over_each(ndimage.mean, direction.lesion) >= limits.mean_support
    keep = shown & seen
    if not thick:
        deep = over_each(ndimage.maximum, depth) >= limits.depth_mm
        overlooked = shown & ~seen & deep & (there >= limits.bright_z)
        overlooked[0] = False
        contrast = local_contrast(direction, depth > 0, np.flatnonzero(overlooked))
        keep |= overlooked & (contrast >= limits.local_contrast)
    keep[0] = False
    seen_twice = over_each(ndimage.mean, direction.lesion_absent) > limits.absent_support
    return (keep & ~seen_twice)[direction.change], (keep & seen_twice)[direction.change]


def local_contrast(direction: DirectedChange, brain: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """How far changes stand out from what surrounds them, as a contrast-to-noise ratio; 0 for the others.

    The mean difference of the two scans over a change, less the median difference 2 to 8 voxels around it, divided by
    the spread there (1.4826 times the median absolute deviation). Other changes and what is no brain do not count.

    Args:
        direction: the changes.
        brain: bool (X, Y, Z).
        numbers: of the changes to look at.

    Returns:
        One value per number from 0 to ``direction.count``.
    """
    contrast = np.zeros(direction.count + 1)
    places = ndimage.find_objects(direction.change)
    for number in numbers:
        around = tuple(
            slice(max(part.start - _AROUND_VOXELS, 0), part.stop + _AROUND_VOXELS)
            for part in places[number - 1]
        )
        change = direction.change[around]
        own = change == number
        distance = ndimage.distance_transform_cdt(~own, metric="taxicab")
        ring = (distance > 1) & (distance <= _AROUND_VOXELS) & brain[around] & (change == 0)
        difference = direction.there[around] - direction.absent[around]
        if ring.any():
            middle = np.median(difference[ring])
            spread = 1.4826 * np.median(np.abs(difference[ring] - middle))
            contrast[number] = (difference[own].mean() - middle) / max(float(spread), _SMALLEST_SPREAD)
    return contrast
