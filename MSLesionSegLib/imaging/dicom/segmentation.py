"""DICOM Segmentations as labels: of this program or another one, binary, fractional or a label map (PS3.3, A.51)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.uid import SegmentationStorage

from MSLesionSegLib.errors import ImageError, MissingPackageError
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.dicom.headers import quiet, read_header
from MSLesionSegLib.imaging.formats.stored import CHOSEN, FRACTIONS, StoredVolume
from MSLesionSegLib.tasks import TASKS

if TYPE_CHECKING:
    from highdicom.seg import Segmentation

_LABEL_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
_CLASSES = (SegmentationStorage, _LABEL_MAP_STORAGE)
_HALF = 0.5
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_CHANGES = {state for task in TASKS.values() if task.compares for state in task.states}


def segmentation_file(path: Path) -> Path | None:
    """The DICOM Segmentation that a path stands for, or None: a file, or the only (or only binary) one of a folder.

    Raises:
        ImageError: a folder holds several.
    """
    return _of_several(path)[0]


def _of_several(path: Path) -> tuple[Path | None, tuple[InputWarning, ...]]:
    """As :func:`segmentation_file`, with what is to be told about the choice."""
    files = [path]
    if os.path.isdir(path):
        files = [file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")]
    with quiet():
        headers = {file: header for file in files if (header := read_header(file)) is not None}
    kinds = {
        file: str(header.get("SegmentationType", ""))
        for file, header in headers.items()
        if str(header.get("SOPClassUID", "")) in _CLASSES
    }
    if len(kinds) < 2:
        return next(iter(kinds), None), ()
    binary = [file for file, kind in kinds.items() if kind != "FRACTIONAL"]
    if len(binary) != 1:
        raise ImageError(
            f"{path.name} holds {len(kinds)} DICOM Segmentations, of which {len(binary)} are no fractions. Give the "
            "file of the one that you mean."
        )
    told = f"Of {len(kinds)} DICOM Segmentations in {path.name} the one was taken that holds no fractions."
    return binary[0], (InputWarning(CHOSEN, told),)


def open_segmentation(path: Path) -> StoredVolume | None:
    """Open a DICOM Segmentation: stored are the numbers of its segments, 0 where there is none.

    Slices without a segment may be missing in the file: it may cover a part of its scan. Fractions count from one
    half on, of several segments the largest.

    Args:
        path: as of :func:`segmentation_file`; where it stands for none, None is returned.

    Raises:
        ImageError: it is damaged, segments overlap, or its frames lie on no even grid; a folder holds several.
        MissingPackageError: the package that reads it is not installed.
    """
    file, told = _of_several(path)
    if file is None:
        return None
    name = file.name
    try:
        from highdicom.seg import segread
    except ModuleNotFoundError:
        raise MissingPackageError(
            f"{name} is a DICOM Segmentation. Reading it needs the package highdicom: pip install "
            "'mslesionseg[dicom]'."
        ) from None
    with quiet():
        try:
            segmentation = segread(file)
            fractional = segmentation.segmentation_type.value == "FRACTIONAL"
            volume = segmentation.get_volume(combine_segments=not fractional)
        except Exception as error:  # highdicom and pydicom raise errors of many kinds on damaged files
            wrong = (
                "holds segments that overlap. Export it with one label for each voxel."
                if "overlap" in str(error).lower()
                else "is a DICOM Segmentation that is damaged, or whose frames lie on no even grid. Export it again."
            )
            raise ImageError(f"{name} {wrong}") from None
        labels = _cut(volume.array, segmentation.segment_numbers) if fractional else volume.array
        affine = _TO_RAS @ volume.affine @ np.eye(4)[:, [2, 1, 0, 3]]
        if fractional:
            told = (
                InputWarning(
                    FRACTIONS, f"{name} holds fractions: they were counted as marked from one half on."
                ),
            )
        return StoredVolume(
            stored=np.asarray(labels).transpose(2, 1, 0),
            slope=1.0,
            intercept=0.0,
            affine=affine,
            header=None,
            sha256=file_sha256(file),
            findings=told,
            frame_of_reference=str(volume.frame_of_reference_uid or ""),
            lesion_labels=_lesions(segmentation),
        )


def _cut(fractions: np.ndarray, numbers: Any) -> np.ndarray:
    """Number of the largest fraction from one half on; (slices, rows, columns)."""
    largest = np.array([*numbers], np.int32)[fractions.argmax(axis=-1)]
    return np.where(fractions.max(axis=-1) >= _HALF, largest, 0)


def _lesions(segmentation: Segmentation) -> tuple[int, ...]:
    """Segments that are lesions by their coded type; none where the labels tell what became of a lesion since."""
    segments = {n: segmentation.get_segment_description(n) for n in segmentation.segment_numbers}
    if any(one.segment_label.rpartition(" ")[2] in _CHANGES for one in segments.values()):
        return ()
    return tuple(
        n for n, one in segments.items() if "lesion" in str(one.segmented_property_type.meaning).lower()
    )
