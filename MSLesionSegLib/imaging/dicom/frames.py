"""The frames of a DICOM series: a file with one slice holds one, a multi-frame file holds many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset


@dataclass(frozen=True, eq=False)
class Frame:
    """What is said of one slice, each of it for this slice alone.

    Attributes:
        file: where it is stored.
        index: number of the frame within the file, from 0.
        size: columns, rows.
        position: centre of the first pixel in LPS mm, or None.
        axes: (2, 3), LPS unit vectors along which the columns and the rows are counted, or None.
        spacing: distance of two columns and of two rows in mm, or None.
        scaling: slope and intercept from stored to true values, or None where they are no numbers.
        echo_time: ms, or None.
        origin: identifiers of the examination and of the frame of reference.
    """

    file: Path
    index: int
    size: tuple[int, int]
    position: np.ndarray | None
    axes: np.ndarray | None
    spacing: np.ndarray | None
    scaling: tuple[float, float] | None
    echo_time: float | None
    origin: tuple[str, str]


def frames_of(file: Path, dataset: Dataset) -> list[Frame]:
    """All frames of a file, in the order in which they are stored (DICOM PS3.3, C.7.6.16)."""
    count = int(dataset.get("NumberOfFrames") or 1)
    return [_frame(file, dataset, index) for index in range(count)]


def frame_value(dataset: Dataset, index: int, keyword: str) -> Any:
    """Value of an attribute for one frame: its own, else that of all frames, else that of the file; else None."""
    groups = []
    own = dataset.get("PerFrameFunctionalGroupsSequence")
    if own:
        groups.append(own[index])
    groups += list(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    for group in groups:
        for element in group:
            public_items = element.VR == "SQ" and not element.tag.is_private and element.value
            if public_items and keyword in element.value[0]:
                return element.value[0].get(keyword)
    return dataset.get(keyword)


def _frame(file: Path, dataset: Dataset, index: int) -> Frame:
    position, axes, spacing = (
        _numbers(frame_value(dataset, index, keyword), count)
        for keyword, count in (
            ("ImagePositionPatient", 3),
            ("ImageOrientationPatient", 6),
            ("PixelSpacing", 2),
        )
    )
    echo = _numbers(frame_value(dataset, index, "EffectiveEchoTime") or dataset.get("EchoTime"), 1)
    return Frame(
        file=file,
        index=index,
        size=(int(dataset.Columns), int(dataset.Rows)),
        position=position,
        axes=_unit_vectors(axes),
        spacing=spacing[::-1] if spacing is not None and spacing.min() > 0 else None,
        scaling=_scaling(dataset, index),
        echo_time=None if echo is None else float(echo[0]),
        origin=(str(dataset.get("StudyInstanceUID", "")), str(dataset.get("FrameOfReferenceUID", ""))),
    )


def _scaling(dataset: Dataset, index: int) -> tuple[float, float] | None:
    given = [frame_value(dataset, index, keyword) for keyword in ("RescaleSlope", "RescaleIntercept")]
    numbers = _numbers([default if g is None else g for g, default in zip(given, (1, 0), strict=True)], 2)
    return None if numbers is None or numbers[0] == 0 else (float(numbers[0]), float(numbers[1]))


def _unit_vectors(axes: np.ndarray | None) -> np.ndarray | None:
    if axes is None:
        return None
    axes = axes.reshape(2, 3)
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    return axes / lengths if np.abs(lengths - 1).max() < 0.01 else None


def _numbers(value: Any, count: int) -> np.ndarray | None:
    try:
        numbers = np.atleast_1d(np.array(value, dtype=float))
    except (TypeError, ValueError):
        return None
    return numbers if numbers.shape == (count,) and np.isfinite(numbers).all() else None
