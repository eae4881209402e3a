"""The lesion tables of results read back, as far as their columns tell."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from MSLesionSegLib.lesions.followup_table import FollowedLesion
from MSLesionSegLib.lesions.table import Lesion

_CENTRE = ("centre_right_mm", "centre_anterior_mm", "centre_superior_mm")


def read_lesion_table(path: Path) -> list[Lesion]:
    """The rows that :func:`~MSLesionSegLib.lesions.table.write_lesion_table` has written."""
    return [_lesion(row, float(row["volume_mm3"]), "") for row in _rows(path)]


def read_followed(path: Path) -> list[FollowedLesion]:
    """The rows that :func:`~MSLesionSegLib.lesions.followup_table.write_followed` has written.

    The volume of ``lesion`` is the larger one of the two timepoints: what it covers at either is not told.
    """
    rows = []
    for row in _rows(path):
        before, after = float(row["baseline_mm3"]), float(row["followup_mm3"])
        rows.append(
            FollowedLesion(_lesion(row, max(before, after), "_of_change"), row["state"], before, after)
        )
    return rows


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _lesion(row: Mapping[str, str], volume_mm3: float, of: str) -> Lesion:
    def known(column: str) -> float | None:
        return float(row[column]) if row[column] else None

    right, anterior, superior = (float(row[column]) for column in _CENTRE)
    return Lesion(
        id=int(row["id"]),
        volume_mm3=volume_mm3,
        longest_axis_mm=float(row["longest_axis_mm"]),
        centre_ras=(right, anterior, superior),
        region=row["region"],
        region_distance_mm=known("region_distance_mm"),
        mean_probability=known(f"mean_probability{of}"),
        peak_probability=known(f"peak_probability{of}"),
        region_rule=row["region_rule"],
        remark=row.get("remark", ""),
    )
