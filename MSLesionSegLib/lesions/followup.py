"""The lesion table of two timepoints: one row per lesion with its state and both volumes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.lesions.regions import REGIONS, UNDETERMINED, RegionMap
from MSLesionSegLib.lesions.states import STATES, Tracked
from MSLesionSegLib.lesions.table import Lesion, lesion_table


@dataclass(frozen=True)
class FollowedLesion:
    """One lesion over two timepoints.

    Attributes:
        lesion: place, region and size of what it covers at either timepoint; its probabilities are those of change.
        state: one of :data:`~MSLesionSegLib.lesions.states.STATES`.
        baseline_mm3, followup_mm3: volume at the timepoints, on one grid.
    """

    lesion: Lesion
    state: str
    baseline_mm3: float
    followup_mm3: float

    @property
    def change_mm3(self) -> float:
        """Volume gained, negative if lost."""
        return self.followup_mm3 - self.baseline_mm3


def follow_table(
    tracked: Tracked, change: np.ndarray, affine: np.ndarray, regions: RegionMap | None
) -> list[FollowedLesion]:
    """Describe each lesion, ordered by id.

    Args:
        tracked: lesions on one grid; change: probability of change there, (X, Y, Z); affine: of that grid.
        regions: the patient's regions in the same space; None leaves them undetermined.
    """
    voxel_mm3 = abs(float(np.linalg.det(affine[:3, :3])))
    top = int(tracked.labels.max(initial=0)) + 1
    before, after = (
        np.bincount(tracked.labels[mask], minlength=top) * voxel_mm3
        for mask in (tracked.before, tracked.after)
    )
    rows = lesion_table(nib.Nifti1Image(tracked.labels, affine), nib.Nifti1Image(change, affine), regions)
    return [
        FollowedLesion(row, tracked.states[row.id], float(before[row.id]), float(after[row.id]))
        for row in rows
    ]


def count_followed(lesions: Sequence[FollowedLesion]) -> dict[str, object]:
    """Numbers and volumes by state and region.

    Returns:
        ``states``: count by state; ``by_region``: the same by region (empty regions too, "undetermined" only if a
        lesion is); ``baseline``, ``followup``: lesions that are there and their volume (mm3); ``new_mm3`` and
        ``vanished_mm3``: volume of the new and of the vanished ones.
    """

    def states(part: Sequence[FollowedLesion]) -> dict[str, int]:
        return {state: sum(row.state == state for row in part) for state in STATES}

    regions = {}
    for region in REGIONS:
        part = [row for row in lesions if row.lesion.region == region]
        if part or region != UNDETERMINED:
            regions[region] = states(part)
    volumes = {
        name: [v for v in (getattr(row, f"{name}_mm3") for row in lesions) if v > 0]
        for name in ("baseline", "followup")
    }
    return {
        "states": states(lesions),
        "by_region": regions,
        **{name: {"lesions": len(v), "volume_mm3": round(sum(v), 2)} for name, v in volumes.items()},
        "new_mm3": round(sum(row.followup_mm3 for row in lesions if row.state == "new"), 2),
        "vanished_mm3": round(sum(row.baseline_mm3 for row in lesions if row.state == "vanished"), 2),
    }


_COLUMNS = (
    "id",
    "state",
    "baseline_mm3",
    "followup_mm3",
    "change_mm3",
    "change_percent",
    "longest_axis_mm",
    "centre_right_mm",
    "centre_anterior_mm",
    "centre_superior_mm",
    "region",
    "region_distance_mm",
    "region_rule",
    "mean_probability_of_change",
    "peak_probability_of_change",
)


def write_followed(lesions: Sequence[FollowedLesion], path: Path) -> None:
    """Write one row per lesion (UTF-8, comma, units in the header); what is not known stays empty."""
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(_COLUMNS)
        for row in lesions:
            lesion = row.lesion
            percent = 100 * row.change_mm3 / row.baseline_mm3 if row.baseline_mm3 else None
            writer.writerow(
                [
                    lesion.id,
                    row.state,
                    f"{row.baseline_mm3:.2f}",
                    f"{row.followup_mm3:.2f}",
                    f"{row.change_mm3:.2f}",
                    "" if percent is None else f"{percent:.1f}",
                    f"{lesion.longest_axis_mm:.2f}",
                    *(f"{value:.2f}" for value in lesion.centre_ras),
                    lesion.region,
                    "" if lesion.region_distance_mm is None else f"{lesion.region_distance_mm:.1f}",
                    lesion.region_rule,
                    f"{lesion.mean_probability:.3f}",
                    f"{lesion.peak_probability:.3f}",
                ]
            )
