"""The lesion table of two timepoints: one row per lesion with its state and both volumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.lesions.lesion_states import STATES, TrackedLesions
from MSLesionSegLib.lesions.regions import REGIONS, UNDETERMINED, RegionMap
from MSLesionSegLib.lesions.table import (
    CENTRE_COLUMNS,
    REGION_COLUMNS,
    Lesion,
    fixed,
    lesion_table,
    of_lesion,
    write_table,
)


@dataclass(frozen=True)
class FollowedLesion:
    """One lesion over two timepoints.

    Attributes:
        lesion: place, region and size of what it covers at either timepoint; its probabilities are those of change.
        state: one of :data:`~MSLesionSegLib.lesions.lesion_states.STATES`.
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
    tracked: TrackedLesions, change: np.ndarray, affine: np.ndarray, regions: RegionMap | None
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


_COLUMNS: dict[str, Callable[[FollowedLesion], object]] = {
    "id": lambda row: row.lesion.id,
    "state": lambda row: row.state,
    "baseline_mm3": lambda row: fixed(row.baseline_mm3, 2),
    "followup_mm3": lambda row: fixed(row.followup_mm3, 2),
    "change_mm3": lambda row: fixed(row.change_mm3, 2),
    "change_percent": lambda row: (
        fixed(100 * row.change_mm3 / row.baseline_mm3, 1) if row.baseline_mm3 else ""
    ),
    "longest_axis_mm": lambda row: fixed(row.lesion.longest_axis_mm, 2),
    **of_lesion(CENTRE_COLUMNS | REGION_COLUMNS),
    "mean_probability_of_change": lambda row: fixed(row.lesion.mean_probability, 3),
    "peak_probability_of_change": lambda row: fixed(row.lesion.peak_probability, 3),
}


def write_followed(lesions: Sequence[FollowedLesion], path: Path) -> None:
    """Write one row per lesion, units in the header; what is not known stays empty."""
    write_table(lesions, _COLUMNS, path)
