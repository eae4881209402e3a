"""Scans of which only the brain is left, so that nobody can be recognised by the face; each is looked at again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.deidentification import scrubbed
from MSLesionSegLib.imaging.formats import open_volume
from MSLesionSegLib.imaging.reading import read_scan, scaled
from MSLesionSegLib.network.brain_extraction import brain_mask, close_sulci
from MSLesionSegLib.network.brain_mask_check import brain_shape, dice, shape_doubts

# Brains found on 29 FLAIR scans of five public data sets (four are resampled copies) leave out at most 3.5 % of the
# atlas' brain more than 10 mm below its surface, and reach more than 15 mm beyond it with at most 0.6 ml.
_MOST_MISSING = 0.1
_MOST_BEYOND_ML = 3.0
_LEAST_OVERLAP = 0.8


def brain_of(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Brain mask (uint8, on the image's grid) with its sulci closed by 3 mm, so that lesions at the cortex stay.

    Raises:
        ImageError: no brain was found.
    """
    mask = brain_mask(image)
    closed = close_sulci(np.asarray(mask.dataobj) > 0, mask)
    return nib.Nifti1Image(closed.astype(np.uint8), mask.affine)


def brain_to_keep(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """As :func:`brain_of`, and sure enough that what lies outside can be taken away as the face, and nothing else is.

    Raises:
        ImageError: the mask reaches far beyond a brain, leaves out a part of it or is no brain's shape, so that the
            face might stay or the brain be removed.
    """
    brain = brain_of(image)
    shape = brain_shape(brain)
    doubts = shape_doubts(shape)
    if shape.missing > _MOST_MISSING:
        doubts.append(f"it leaves out {shape.missing:.0%} of the inner brain")
    if shape.beyond_ml > _MOST_BEYOND_ML:
        doubts.append(f"{shape.beyond_ml:.0f} ml of it lie where no brain is")
    if doubts:
        raise ImageError(
            "The face cannot be removed with certainty, because the brain mask that was found is doubtful: "
            f"{'; '.join(doubts)}. Remove the face with another program and add the scan again."
        )
    return brain


def without_face(image: nib.Nifti1Image, brain: nib.Nifti1Image) -> nib.Nifti1Image:
    """The image, whose air is at 0, with 0 outside a brain mask on its grid."""
    data = np.asarray(image.dataobj) * (np.asarray(brain.dataobj) > 0)
    return nib.Nifti1Image(data, image.affine, image.header)


def check_same_brain(brain: nib.Nifti1Image, other: nib.Nifti1Image) -> None:
    """Make sure that two scans of a case, brought onto one grid, show their brains at the same place.

    Raises:
        ImageError: with one mask for both, the face of one might stay.
    """
    one, two = (np.asarray(mask.dataobj) > 0 for mask in (brain, other))
    overlap = dice(one, two)
    if overlap < _LEAST_OVERLAP:
        raise ImageError(
            f"The face cannot be removed with certainty, because the brains of its scans overlap by {overlap:.2f} "
            "(Dice) only."
        )


def save_without_face(source: Path, target: Path) -> None:
    """Write a scan with 0 outside the brain; voxel type, scaling and the stored values of the brain stay.

    What was written is read again: everything outside the brain must have one value, everything inside as it was.

    Raises:
        ImageError: the scan cannot be read, no brain was found, or it is not certain that the face is gone and the
            brain is whole. Nothing is left at ``target``.
    """
    brain = np.asarray(brain_to_keep(read_scan(source).image).dataobj) > 0
    volume = open_volume(source)
    zero = -volume.intercept / volume.slope
    if volume.stored.dtype.kind in "iu":
        limits = np.iinfo(volume.stored.dtype)
        zero = min(max(round(zero), limits.min), limits.max)
    cut = np.where(brain, volume.stored, np.asarray(zero, volume.stored.dtype))
    try:
        nib.save(scrubbed(replace(volume, stored=cut)), target)
        kept = scaled(open_volume(target))
        alone = len(np.unique(kept[~brain])) <= 1
        if not alone or not np.array_equal(kept[brain], scaled(volume)[brain], equal_nan=True):
            raise ImageError("Removing the face failed: what was written is not the brain alone.")
    except BaseException:
        target.unlink(missing_ok=True)
        raise
