"""Writing images: the geometry of the scan that they lie on, and none of its text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.files.atomic import atomic_file, output_errors
from MSLesionSegLib.files.file_names import absolute

_GEOMETRY = ("pixdim", "qform_code", "quatern", "qoffset", "sform_code", "srow")
_COMPRESSION = 1  # of 0 to 3


def save_image(data: np.ndarray, reference: nib.Nifti1Image, path: Path) -> None:
    """Save ``data`` (X, Y, Z) on ``reference``'s grid with a fresh header: geometry and units, no free text.

    uint8, int16 and int32 labels and float32 maps keep their type. sform, qform and their codes are those of
    ``reference``, so that every reader finds ``data`` where it finds the reference, also where the two
    positions differ.

    Raises:
        ValueError: the shapes differ.
    """
    if data.shape != reference.shape[:3]:
        raise ValueError(f"data {data.shape} does not lie on the grid {reference.shape[:3]}")
    header = nib.Nifti1Header()
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    for field in header:
        if field.startswith(_GEOMETRY):
            header[field] = reference.header[field]
    header["pixdim"][4:] = 1
    header.set_xyzt_units("mm")
    image = nib.Nifti1Image(data, header.get_best_affine(), header)
    if not path.name.endswith(".gz"):
        nib.save(image, path)
        return
    from isal import igzip  # six times faster than zlib

    # neither name nor time, so that the same image gives the same bytes
    with path.open("wb") as file, igzip.IGzipFile("", "wb", _COMPRESSION, file, mtime=0) as stream:
        image.to_stream(stream)


def save_in_folder(folder: Path, images: Mapping[str, tuple[np.ndarray, nib.Nifti1Image]]) -> None:
    """Save images (data, reference) by file name into a folder; each file whole or not at all."""
    folder = absolute(folder)
    with output_errors(folder, "Choose another output folder."):
        for name, (data, reference) in images.items():
            with atomic_file(folder / name) as work:
                save_image(data, reference, work)
