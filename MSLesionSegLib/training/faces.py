"""Scans of which only the brain is left, so that nobody can be recognised by the face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.imaging.formats import open_volume
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.imaging.scrubbing import scrubbed
from MSLesionSegLib.network.brain_extraction import brain_mask, close_sulci


def brain_of(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Brain mask (uint8, on the image's grid) with its sulci closed by 3 mm, so that lesions at the cortex stay.

    Raises:
        ImageError: no brain was found.
    """
    mask = brain_mask(image)
    closed = close_sulci(np.asarray(mask.dataobj) > 0, mask)
    return nib.Nifti1Image(closed.astype(np.uint8), mask.affine)


def without_face(image: nib.Nifti1Image, brain: nib.Nifti1Image) -> nib.Nifti1Image:
    """The image with 0 outside a brain mask on its grid."""
    data = np.asarray(image.dataobj) * (np.asarray(brain.dataobj) > 0)
    return nib.Nifti1Image(data, image.affine, image.header)


def save_without_face(source: Path, target: Path) -> None:
    """Write a scan with 0 outside the brain; voxel type, scaling and the stored values of the brain stay.

    Raises:
        ImageError: the scan cannot be read, or no brain was found.
    """
    brain = np.asarray(brain_of(read_scan(source).image).dataobj) > 0
    volume = open_volume(source)
    zero = -volume.intercept / volume.slope
    if volume.stored.dtype.kind in "iu":
        limits = np.iinfo(volume.stored.dtype)
        zero = min(max(round(zero), limits.min), limits.max)
    cut = np.where(brain, volume.stored, np.asarray(zero, volume.stored.dtype))
    nib.save(scrubbed(replace(volume, stored=cut)), target)
