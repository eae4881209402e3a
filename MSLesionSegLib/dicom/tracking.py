"""Tracking UIDs of lesions: made anew, or those of an earlier segmentation on which the lesions lie."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from MSLesionSegLib.dicom.making import MAKER
from MSLesionSegLib.dicom.source_series import SourceSeries
from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.dicom.tracked_segments import Tracking, read_tracked_segments
from MSLesionSegLib.imaging.reading import read_labels

_NAMESPACE = uuid.UUID("5e0f6a1c-51bb-5a44-9d1c-6d7f1c5b9d52")


def derived_uid(*origin: str | int) -> str:
    """The UID that always follows from the same origin (DICOM PS3.5, B.2: from a UUID, here by name)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, origin))).int}"


def latest_segmentation(files: Iterable[Path], series: SourceSeries) -> Path | None:
    """Of DICOM files the latest segmentation by this program that tracks its lesions and lies on a series' voxels."""
    made = {}
    for file in files:
        with contextlib.suppress(ImageError):
            told = read_tracked_segments(file)
            tracks_all = told.tracked and len(told.tracked) == len(told.segments)
            if told.maker == MAKER and tracks_all and _uid(series) in told.sources:
                read_labels(file, series.grid)
                made[file] = told.made
    return max(made, key=lambda file: made[file], default=None)


def tracked_before(
    former: Path, lesions: Mapping[str, Path], series: Mapping[str, SourceSeries]
) -> dict[int, Tracking]:
    """What lesions were known by in a former DICOM Segmentation of one of the scans.

    Args:
        former: that file, or a folder: the latest of this program in it on the first of the scans that has one.
        lesions: files with numbered lesions, by the name of the scan on whose voxels they lie.
        series: by the same names.

    Returns:
        By number of the lesion: of the segment that covers most of it, each given once. Nothing if a folder holds
        no such segmentation.

    Raises:
        ImageError: it is no segmentation, or one of other scans.
    """
    if former.is_dir():
        files = [file for file in former.rglob("*") if file.is_file()]
        scans = (series[name] for name in lesions if name in series)
        latest = next(filter(None, (latest_segmentation(files, scan) for scan in scans)), None)
        return {} if latest is None else tracked_before(latest, lesions, series)
    told = read_tracked_segments(former)
    name = next((name for name in lesions if name in series and _uid(series[name]) in told.sources), None)
    if name is None:
        raise ImageError(
            f"{former.name} was made on other scans than this result. Give the one of its baseline."
        )
    before, now = (
        np.asarray(read_labels(file, series[name].grid).dataobj) for file in (former, lesions[name])
    )
    return _matched(before, now, told.tracked)


def _matched(before: np.ndarray, now: np.ndarray, segments: Mapping[int, Tracking]) -> dict[int, Tracking]:
    both = (before > 0) & (now > 0)
    pairs, shared = np.unique(np.stack([before[both], now[both]]), axis=1, return_counts=True)
    known: dict[int, Tracking] = {}
    given: set[int] = set()
    for index in np.argsort(-shared, kind="stable"):
        segment, number = (int(value) for value in pairs[:, index])
        if segment in segments and segment not in given and number not in known:
            known[number] = segments[segment]
            given.add(segment)
    return known


def _uid(series: SourceSeries) -> str:
    return str(series.header.SeriesInstanceUID)
