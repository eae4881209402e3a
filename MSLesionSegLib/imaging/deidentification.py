"""Scans without anything that says whose they are, and a fingerprint of what they show."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.imaging.formats import StoredVolume, open_volume
from MSLesionSegLib.imaging.reading import image_of, scaled


def scrubbed(volume: StoredVolume) -> nib.Nifti1Image:
    """The same voxels, bit for bit as stored, under a header that holds geometry and scaling and nothing else.

    All text fields, dates of creation, display ranges and header extensions are gone. Voxel type, slope and
    intercept stay; NIfTI cannot hold booleans, which become uint8. Where slope or intercept need the double precision
    of NIfTI-2, which NIfTI-1 does not have, the true values are stored as float32 instead.
    """
    stored = volume.stored.astype(np.uint8) if volume.stored.dtype == bool else volume.stored
    scaling = (volume.slope, volume.intercept)
    with np.errstate(over="ignore"):
        if any(float(np.float32(number)) != number for number in scaling):
            stored, scaling = scaled(volume), (1.0, 0.0)
    image = image_of(stored, volume)
    if scaling != (1.0, 0.0):
        image.header.set_slope_inter(*scaling)
    return image


def content_hash(image: nib.Nifti1Image) -> str:
    """SHA-256 of what an image shows, whatever its file is called, how it is compressed or its axes are turned.

    It covers the float32 values in the order of the closest RAS grid and the number of voxels, and leaves the
    affine out: programs store it with different rounding.
    """
    return _digest(_upright(image))


def hashes_turned(image: nib.Nifti1Image) -> Iterator[str]:
    """What :func:`content_hash` would give under any header that names the axes in another order or direction."""
    data = _upright(image)
    for axes in itertools.permutations(range(3)):
        for steps in itertools.product((1, -1), repeat=3):
            yield _digest(data.transpose(axes)[tuple(slice(None, None, step) for step in steps)])


def _upright(image: nib.Nifti1Image) -> np.ndarray:
    return np.asarray(nib.as_closest_canonical(image).dataobj, dtype="<f4")


def _digest(data: np.ndarray) -> str:
    digest = hashlib.sha256(repr(data.shape).encode())
    digest.update(np.ascontiguousarray(data))
    return digest.hexdigest()


def save_scrubbed(source: Path, target: Path) -> None:
    """Write a scan of any readable format as NIfTI without its header's text.

    Raises:
        ImageError: as :func:`~MSLesionSegLib.imaging.formats.open_volume`.
    """
    nib.save(scrubbed(open_volume(source)), target)
