"""The numbers in a DICOM file as they are stored, before rescale slope and intercept."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from pydicom import Dataset

_PIXEL_MODULE = 0x0028
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.3"  # multi-frame grey scale: the plainest image that there is


def stored_pixels(dataset: Dataset) -> np.ndarray:
    """Integers (frames, rows, columns); dark and bright are exchanged where the file says that 0 is white.

    Raises:
        Exception: of many kinds from pydicom and ITK, where the pixels are damaged.
    """
    compressed = dataset.file_meta.TransferSyntaxUID.is_encapsulated
    pixels = _decompressed(dataset) if compressed else dataset.pixel_array
    pixels = pixels.reshape(-1, int(dataset.Rows), int(dataset.Columns))
    if dataset.PhotometricInterpretation != "MONOCHROME1":
        return pixels
    highest = -1 if dataset.PixelRepresentation else 2 ** int(dataset.BitsStored) - 1
    return (highest - pixels.astype(np.int64)).astype(pixels.dtype)


def _decompressed(dataset: Dataset) -> np.ndarray:
    """ITK knows every compression, but would scale all frames alike: it gets the pixels and nothing else."""
    import SimpleITK as sitk

    plain = dataset.group_dataset(_PIXEL_MODULE)
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        if keyword in plain:
            del plain[keyword]
    plain.PhotometricInterpretation = "MONOCHROME2"
    plain.PixelData = dataset.PixelData
    plain["PixelData"].VR = "OB"
    plain.SOPClassUID, plain.SOPInstanceUID = _SECONDARY_CAPTURE, "1.2.3"
    plain.file_meta = dataset.file_meta
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pixels.dcm")
        plain.save_as(file, enforce_file_format=True)
        return sitk.GetArrayFromImage(sitk.ReadImage(str(file), imageIO="GDCMImageIO"))
