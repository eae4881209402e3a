"""What of a result goes into DICOM: its lesions on the voxels of the series, with states, totals and UIDs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.dicom.source_series import SourceSeries
from MSLesionSegLib.dicom.tracking import derived_uid
from MSLesionSegLib.imaging.dicom.tracked_segments import Tracking
from MSLesionSegLib.imaging.reading import read_labels
from MSLesionSegLib.lesions.regions import RegionMap
from MSLesionSegLib.lesions.table import Lesion, lesion_table
from MSLesionSegLib.lesions.table_reading import read_followed, read_lesion_table
from MSLesionSegLib.review.decisions import states_of
from MSLesionSegLib.segmentation.dicom_source import DicomSource
from MSLesionSegLib.tasks import Task, get_task


@dataclass(frozen=True)
class ExportedLesion:
    """A lesion with its state and what it is known by over all visits."""

    lesion: Lesion
    state: str
    tracking: Tracking

    @property
    def name(self) -> str:
        return f"Lesion {self.lesion.id}"


@dataclass(frozen=True, eq=False)
class ExportedResult:
    """The lesions of a result.

    Attributes:
        manifest: content of its ``result.json``.
        series: that the lesions lie on.
        labels: numbers of lesions (columns, rows, slices) on the grid of ``series``, 0 outside.
        lesions: those of ``labels``, by number.
        gone: lesions that are counted and have no voxels there, such as vanished ones.
        reviewed: whether a person has reviewed them.
    """

    manifest: Mapping[str, Any]
    series: SourceSeries
    labels: np.ndarray
    lesions: tuple[ExportedLesion, ...]
    gone: tuple[ExportedLesion, ...]
    reviewed: bool

    @property
    def task(self) -> Task:
        return get_task(self.manifest["task"])

    @property
    def model(self) -> Mapping[str, str]:
        """Name and ``weights_sha256``."""
        return self.manifest["model"]

    @property
    def settings(self) -> list[str]:
        """What decides the numbers, a sentence each."""
        told = self.manifest["settings"]
        return [
            f"weights SHA-256 {self.model['weights_sha256']}",
            f"probability from {told['threshold']:g}, peak from {told['minimum_peak']:g}, "
            f"at least {told['minimum_mm3']:g} mm3, {told['connectivity']}-connected",
        ]


def read_exported(
    folder: Path,
    manifest: Mapping[str, Any],
    series: SourceSeries,
    source: DicomSource,
    reviewed: Path | None,
) -> ExportedResult:
    """Read the lesions of a result.

    Args:
        folder: of the result.
        manifest: content of its ``result.json``, whose counts are given.
        series: of its reviewed scan.
        source: what lesions were known by before, and since which series they have their numbers, from which the
            UIDs of the others follow.
        reviewed: numbered lesions as a person has reviewed them, on the voxels of that scan.

    Raises:
        ImageError: labels do not lie on the voxels of the series.
    """
    task = get_task(manifest["task"])
    files = {role: folder / name for role, name in manifest["files"].items()}
    found = _labels(files[task.reviewed_file("lesions")], series)
    if reviewed is None:
        labels, told = found, _as_found(task, files)
    else:
        labels, told = _as_reviewed(task, files, found, _labels(reviewed, series), series)
    there = set(np.unique(labels).tolist())

    known = _tracking([lesion.id for lesion, _ in told], task, source)
    lesions = [ExportedLesion(lesion, state, known[lesion.id]) for lesion, state in told]
    return ExportedResult(
        manifest,
        series,
        labels,
        tuple(each for each in lesions if each.lesion.id in there),
        tuple(each for each in lesions if each.lesion.id not in there),
        reviewed is not None,
    )


def _tracking(numbers: Sequence[int], task: Task, source: DicomSource) -> dict[int, Tracking]:
    """What lesions are known by: as before, or by their own number, or a free one where a lesion before has that."""
    taken = {one.identifier for one in source.tracking.values()}
    free = (name for name in map("Lesion {}".format, count(max(numbers, default=0) + 1)) if name not in taken)
    tracking = dict(source.tracking)
    for number in [number for number in numbers if number not in tracking]:
        own = f"Lesion {number}"
        uid = derived_uid("lesion", source.numbered_since, task.name, number)
        tracking[number] = Tracking(next(free) if own in taken else own, uid)
    return tracking


def _labels(file: Path, series: SourceSeries) -> np.ndarray:
    return np.asarray(read_labels(file, series.grid).dataobj)


def _as_found(task: Task, files: Mapping[str, Path]) -> list[tuple[Lesion, str]]:
    """The rows of the result's own table, so that all documents tell the same numbers."""
    if task.compares:
        rows = read_followed(files["table"])
        # the probabilities of the table are those of change
        return [
            (replace(row.lesion, volume_mm3=row.followup_mm3, mean_probability=None), row.state)
            for row in rows
        ]
    return [(lesion, task.states[0]) for lesion in read_lesion_table(files["table"])]


def _as_reviewed(
    task: Task, files: Mapping[str, Path], found: np.ndarray, reviewed: np.ndarray, series: SourceSeries
) -> tuple[np.ndarray, list[tuple[Lesion, str]]]:
    """Labels and rows of what a person has reviewed, described anew."""
    labels, states = reviewed, None
    if task.compares:
        codes = _labels(files[task.reviewed_file("states")], series)
        names = dict(enumerate(task.states, start=1))
        # what a person does not decide upon stays as it was found
        asked = np.isin(codes, [code for code, state in names.items() if state in task.reviewed_states])
        labels = np.where(reviewed > 0, reviewed, np.where(asked, 0, found))
        states = (names, codes)
    probability = nib.Nifti1Image.from_filename(files[task.reviewed_file("probability")])
    on_grid = nib.Nifti1Image(np.asarray(probability.dataobj, np.float32), series.grid.affine)
    regions = None
    if "regions" in files and not task.compares:
        regions = RegionMap(nib.Nifti1Image.from_filename(files["regions"]))
    lesions = lesion_table(nib.Nifti1Image(labels, series.grid.affine), on_grid, regions)
    named = states_of(labels, [lesion.id for lesion in lesions], states, task.reviewed_states[0])
    told = [(lesion, named[lesion.id]) for lesion in lesions]
    return labels, _with_comparison(task, files, told) if task.compares else told


def _with_comparison(
    task: Task, files: Mapping[str, Path], told: list[tuple[Lesion, str]]
) -> list[tuple[Lesion, str]]:
    """Lesions with the regions that a comparison has found, and those that it shows at the baseline only."""
    found = _as_found(task, files)
    regions = {lesion.id: lesion.region for lesion, _ in found}
    here = {lesion.id for lesion, _ in told}
    gone = [row for row in found if row[0].id not in here and row[1] not in task.reviewed_states]
    return [
        *((replace(lesion, region=regions.get(lesion.id, lesion.region)), state) for lesion, state in told),
        *gone,
    ]


def totals_by_state(lesions: Sequence[ExportedLesion]) -> dict[str, tuple[int, float]]:
    """Number and volume (mm3) of the lesions of each state that there is."""
    totals: dict[str, tuple[int, float]] = {}
    for each in lesions:
        number, volume = totals.get(each.state, (0, 0.0))
        totals[each.state] = (number + 1, volume + each.lesion.volume_mm3)
    return totals
