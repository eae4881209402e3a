"""DICOM series as scanners write them: a file per slice, or all frames in one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

from MSLesionSegLib.imaging.reading import read_scan
from phantoms.scan_files import AFFINE, FROM_LPS

STUDY, REFERENCE = generate_uid(), generate_uid()


def write_dicom(
    folder: Path,
    data: np.ndarray,
    affine: np.ndarray = AFFINE,
    *,
    number: int | None = None,
    modality: str = "MR",
    series: str = "",
    prefix: str = "",
    edit: Callable[[Dataset, int], None] | None = None,
) -> Path:
    """Write one series, a file per slice: columns along the first, rows along the second axis of ``data``.

    Args:
        edit: changes the file of a slice before it is written.
    """
    folder.mkdir(exist_ok=True)
    series = series or generate_uid()
    for index in range(data.shape[2]):
        item = _file(MRImageStorage, data, series)
        item.Modality, item.SeriesNumber = modality, number
        item.InstanceNumber = index + 1
        for group in (_orientation(affine), _position(affine, index), _pixels(affine)):
            item.update(group)
        item.PixelData = np.ascontiguousarray(data[:, :, index].T.astype("<i2")).tobytes()
        if edit is not None:
            edit(item, index)
        # File names run against the slice order, as they may on a real disc.
        item.save_as(folder / f"{prefix}{data.shape[2] - index:04d}.dcm", enforce_file_format=True)
    return folder


def write_frames(
    folder: Path,
    data: np.ndarray,
    affine: np.ndarray = AFFINE,
    *,
    order: Sequence[int] | None = None,
    scalings: Sequence[tuple[float, float]] | None = None,
    series: str = "",
    name: str = "frames",
    edit: Callable[[Dataset], None] | None = None,
) -> Path:
    """Write one enhanced MR file.

    Args:
        order: the slices (third axis of ``data``) in the order of the frames; all, from the first, when None.
        scalings: rescale slope and intercept of each frame, for stored numbers as they are in ``data``.
        edit: changes the file before it is written.
    """
    folder.mkdir(exist_ok=True)
    order = range(data.shape[2]) if order is None else order
    item = _file(EnhancedMRImageStorage, data, series or generate_uid())
    item.Modality, item.NumberOfFrames = "MR", len(order)
    shared = Dataset()
    shared.PlaneOrientationSequence = [_orientation(affine)]
    shared.PixelMeasuresSequence = [_pixels(affine)]
    item.SharedFunctionalGroupsSequence = [shared]
    item.PerFrameFunctionalGroupsSequence = []
    for number, index in enumerate(order):
        frame = Dataset()
        frame.PlanePositionSequence = [_position(affine, index)]
        if scalings is not None:
            scaling = Dataset()
            scaling.RescaleSlope, scaling.RescaleIntercept = scalings[number]
            scaling.RescaleType = "US"
            frame.PixelValueTransformationSequence = [scaling]
        item.PerFrameFunctionalGroupsSequence.append(frame)
    item.PixelData = np.stack([data[:, :, index].T for index in order]).astype("<i2").tobytes()
    if edit is not None:
        edit(item)
    item.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    return folder


def _file(kind: str, data: np.ndarray, series: str) -> Dataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    item = Dataset()
    item.file_meta = meta
    item.SOPClassUID, item.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    item.StudyInstanceUID, item.SeriesInstanceUID, item.FrameOfReferenceUID = STUDY, series, REFERENCE
    item.PatientName, item.SeriesDescription = "Secret^Name", "flair of Mr Secret"
    item.Rows, item.Columns = data.shape[1], data.shape[0]
    item.SamplesPerPixel, item.PhotometricInterpretation = 1, "MONOCHROME2"
    item.BitsAllocated, item.BitsStored, item.HighBit, item.PixelRepresentation = 16, 16, 15, 1
    return item


def _spacing(affine: np.ndarray) -> np.ndarray:
    return np.linalg.norm(affine[:3, :3], axis=0)


def _orientation(affine: np.ndarray) -> Dataset:
    axes = (FROM_LPS @ affine)[:3, :2] / _spacing(affine)[:2]
    group = Dataset()
    group.ImageOrientationPatient = [f"{value:.10f}" for value in axes.T.ravel()]
    return group


def _position(affine: np.ndarray, index: int) -> Dataset:
    group = Dataset()
    group.ImagePositionPatient = [
        f"{value:.8f}" for value in (FROM_LPS @ affine @ np.array([0, 0, index, 1]))[:3]
    ]
    return group


def _pixels(affine: np.ndarray) -> Dataset:
    spacing = _spacing(affine)
    group = Dataset()
    group.PixelSpacing = [f"{spacing[1]:.8f}", f"{spacing[0]:.8f}"]
    group.SliceThickness = f"{spacing[2]:.8f}"
    return group


def values(folder: Path) -> np.ndarray:
    return np.asarray(read_scan(folder).own_values.dataobj)


ORDERS = {
    "from the top": range(33, -1, -1),
    "interleaved": [*range(0, 34, 2), *range(1, 34, 2)],
    "four packages": [k for first in (2, 0, 3, 1) for k in range(first, 34, 4)],
}
