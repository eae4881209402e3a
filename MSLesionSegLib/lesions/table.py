"""The lesion table: one row per lesion, totals by region and a text to dictate."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence
from MSLesionSegLib.lesions.regions import REGIONS, UNDETERMINED, RegionMap, classify


@dataclass(frozen=True)
class Lesion:
    """One lesion.

    ``id``: its label in the dseg image. ``volume_mm3``: voxels times voxel volume. ``longest_axis_mm``: largest
    distance between any two corners of its voxels, in 3D (so on a 2D scan never less than the slice thickness).
    ``centre_ras``: centre of the lesion's voxel that is nearest to its centroid, mm in RAS; always inside.
    ``region``: one of :data:`~MSLesionSegLib.lesions.regions.REGIONS`; ``region_distance_mm``: the distance that
    decided it (None if undetermined); ``region_rule``: why, in words. ``mean_probability``,
    ``peak_probability``: over its voxels, 0 to 1; None without a probability map. ``remark``: what a person should
    look at, or empty. ``true_share``: how often a lesion like this one was true, 0 to 1; None where it is not known.
    """

    id: int
    volume_mm3: float
    longest_axis_mm: float
    centre_ras: tuple[float, float, float]
    region: str
    region_distance_mm: float | None
    mean_probability: float | None
    peak_probability: float | None
    region_rule: str = ""
    remark: str = ""
    true_share: float | None = None

    @property
    def certainty(self) -> float:
        """How sure it is, 0 to 1: how often one like it was true, or else its mean probability."""
        return self.true_share or self.mean_probability or 0.0


def lesion_table(
    dseg: nib.Nifti1Image,
    probability: nib.Nifti1Image | None,
    regions: RegionMap | None,
    confidence: LesionConfidence | None = None,
) -> list[Lesion]:
    """Describe every lesion of a label image, ordered by id.

    ``dseg``: lesion ids (X, Y, Z), 0 outside. ``probability``: 0 to 1 on the same grid. ``regions``: map of the
    patient's regions on any grid in the same scanner space; None leaves the regions undetermined. ``confidence``: of
    the model of ``probability``.
    Raises ValueError if ``probability`` has another shape.
    """
    return list(each_lesion(dseg, probability, regions, confidence))


def each_lesion(
    dseg: nib.Nifti1Image,
    probability: nib.Nifti1Image | None,
    regions: RegionMap | None,
    confidence: LesionConfidence | None = None,
) -> Iterator[Lesion]:
    """As :func:`lesion_table`, one lesion at a time."""
    labels = np.asarray(dseg.dataobj)
    likely = None if probability is None else np.asarray(probability.dataobj)
    if likely is not None and likely.shape != labels.shape:
        raise ValueError(f"probability has shape {likely.shape}, labels have shape {labels.shape}")
    voxel_mm3 = abs(float(np.linalg.det(dseg.affine[:3, :3])))
    to_regions = None if regions is None else np.linalg.inv(regions.labels.affine) @ dseg.affine

    for number, voxels in _voxels_by_label(labels):
        world = nib.affines.apply_affine(dseg.affine, voxels)
        nearest = np.argmin(((world - world.mean(axis=0)) ** 2).sum(axis=1))
        x, y, z = world[nearest].tolist()
        values = None if likely is None else likely[tuple(voxels.T)].astype(np.float64)
        points = voxels if to_regions is None else nib.affines.apply_affine(to_regions, voxels)
        location = classify(points, regions)
        volume, peak = len(voxels) * voxel_mm3, None if values is None else float(values.max())
        share = None
        if confidence is not None and peak is not None:
            share = confidence.true_share(volume, peak, location.region)
        yield Lesion(
            id=number,
            volume_mm3=volume,
            longest_axis_mm=longest_axis(voxels, dseg.affine),
            centre_ras=(x, y, z),
            region=location.region,
            region_distance_mm=location.distance_mm,
            mean_probability=None if values is None else float(values.mean()),
            peak_probability=peak,
            region_rule=location.rule,
            true_share=share,
        )


def longest_axis(voxels: np.ndarray, affine: np.ndarray) -> float:
    """Return the largest distance in mm between two corners of voxels (N, 3) on a grid with this affine."""
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    offsets = np.array(list(np.ndindex(2, 2, 2))) - 0.5
    corners = (_outermost(voxels)[:, None] + offsets).reshape(-1, 3)
    points = nib.affines.apply_affine(affine, corners)
    if len(points) > 1000:  # the two points that are furthest apart are always corners of the hull
        points = points[ConvexHull(points).vertices]
    return float(pdist(points).max())


def totals_by_region(lesions: Sequence[Lesion]) -> dict[str, dict[str, float]]:
    """Return ``{region: {"lesions": count, "volume_mm3": sum}}`` in the order of ``REGIONS``.

    All regions are listed, empty ones with zeros; "undetermined" only if a lesion is.
    """
    totals = {}
    for region in REGIONS:
        volumes = [lesion.volume_mm3 for lesion in lesions if lesion.region == region]
        if volumes or region != UNDETERMINED:
            totals[region] = {"lesions": len(volumes), "volume_mm3": float(sum(volumes))}
    return totals


def dictation(lesions: Sequence[Lesion], rule: LesionRule, kind: str = "") -> str:
    """Return a few plain sentences with the counts by region, and how lesions were counted.

    ``kind``: what lesions they are, such as "enhancing".
    """
    smallest = f"at least {rule.minimum_mm3:g} mm3" if rule.minimum_mm3 > 0 else "no minimum size"
    peak = f", peak from {rule.minimum_peak:g}" if rule.minimum_peak else ""
    reached = f"probability from {rule.threshold:g}{peak}"
    counted = f"Counted: {rule.connectivity}-connected lesions, {smallest}, {reached}."
    kind = f"{kind} " if kind else ""
    if not lesions:
        return f"No {kind}lesions were found. {counted}"
    volume = sum(lesion.volume_mm3 for lesion in lesions) / 1000.0
    largest = max(lesions, key=lambda lesion: lesion.volume_mm3)
    lines = [
        f"{_lesions(len(lesions), kind)} with a volume of {volume:.1f} ml in all; the largest has "
        f"{largest.volume_mm3 / 1000.0:.1f} ml and measures {largest.longest_axis_mm:.0f} mm ({largest.region})."
    ]
    for region, total in totals_by_region(lesions).items():
        name = region.capitalize()
        if total["lesions"]:
            lines.append(f"{name}: {_lesions(total['lesions'])}, {total['volume_mm3'] / 1000.0:.1f} ml.")
        else:
            lines.append(f"{name}: none.")
    checks = sum(bool(lesion.remark) for lesion in lesions)
    if checks:
        lines.append(f"To be checked: {_lesions(checks)}.")
    return "\n".join([*lines, counted])


def write_table(rows: Iterable[Any], columns: Mapping[str, Callable[[Any], object]], path: Path) -> None:
    """Write a table as CSV (UTF-8, comma): a column for each entry, with what it makes of a row."""
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows([cell(row) for cell in columns.values()] for row in rows)


def fixed(value: float | None, digits: int) -> str:
    """A number with this many digits after the point; empty where it is not known."""
    return "" if value is None else f"{value:.{digits}f}"


def percent(share: float | None) -> str:
    """A share in whole percent; empty where it is not known."""
    return "" if share is None else f"{100 * share:.0f}"


CENTRE_COLUMNS: dict[str, Callable[[Lesion], object]] = {
    "centre_right_mm": lambda lesion: fixed(lesion.centre_ras[0], 2),
    "centre_anterior_mm": lambda lesion: fixed(lesion.centre_ras[1], 2),
    "centre_superior_mm": lambda lesion: fixed(lesion.centre_ras[2], 2),
}
REGION_COLUMNS: dict[str, Callable[[Lesion], object]] = {
    "region": lambda lesion: lesion.region,
    "region_distance_mm": lambda lesion: fixed(lesion.region_distance_mm, 1),
    "region_rule": lambda lesion: lesion.region_rule,
}
_COLUMNS: dict[str, Callable[[Lesion], object]] = {
    "id": lambda lesion: lesion.id,
    "volume_mm3": lambda lesion: fixed(lesion.volume_mm3, 2),
    "longest_axis_mm": lambda lesion: fixed(lesion.longest_axis_mm, 2),
    **CENTRE_COLUMNS,
    **REGION_COLUMNS,
    "mean_probability": lambda lesion: fixed(lesion.mean_probability, 3),
    "peak_probability": lambda lesion: fixed(lesion.peak_probability, 3),
    "true_percent": lambda lesion: percent(lesion.true_share),
    "remark": lambda lesion: lesion.remark,
}


def of_lesion(columns: Mapping[str, Callable[[Lesion], object]]) -> dict[str, Callable[[Any], object]]:
    """The same columns for rows that hold a ``lesion``."""

    def of_row(cell: Callable[[Lesion], object]) -> Callable[[Any], object]:
        return lambda row: cell(row.lesion)

    return {name: of_row(cell) for name, cell in columns.items()}


def write_lesion_table(lesions: Sequence[Lesion], path: Path) -> None:
    """Write one row per lesion, units in the header; what is not known stays empty."""
    write_table(lesions, _COLUMNS, path)


def _voxels_by_label(labels: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Return ``(id, voxels (N, 3))`` for every label above 0, ordered by id, voxels in x, y, z order."""
    where = np.argwhere(labels > 0)
    if where.size == 0:
        return []
    ids = labels[tuple(where.T)].astype(np.int64)
    order = np.argsort(ids, kind="stable")
    numbers, starts = np.unique(ids[order], return_index=True)
    return [(int(n), part) for n, part in zip(numbers, np.split(where[order], starts[1:]), strict=True)]


def _outermost(voxels: np.ndarray) -> np.ndarray:
    """Keep the voxels that end a row of the lesion along every axis: no others can be a corner of its hull."""
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        voxels = voxels[np.lexsort((voxels[:, axis], *(voxels[:, other] for other in others)))]
        changes = np.any(np.diff(voxels[:, others], axis=0) != 0, axis=1)
        voxels = voxels[np.concatenate([[True], changes]) | np.concatenate([changes, [True]])]
    return voxels


def _lesions(count: float, kind: str = "") -> str:
    return f"1 {kind}lesion" if count == 1 else f"{int(count)} {kind}lesions"
