"""The lesions of a review as a table: in the order that a person wants, summed up, and as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.lesions.table import CENTRE_COLUMNS, fixed, of_lesion, percent, write_table
from MSLesionSegLib.review.decisions import IN_MASK, LESION, POSSIBLE, ReviewedLesion

ORDERS = ("least certain first", "new first", "largest first")
_NEW_FIRST = ("new", "enlarged", LESION, "shrunken", "vanished", "stable")


def ordered(rows: Iterable[ReviewedLesion], order: str) -> list[ReviewedLesion]:
    """Rows in one of :data:`ORDERS`, equal ones by volume, then by number; possible lesions last, as they are."""
    rows = list(rows)
    possible = [row for row in rows if row.decision == POSSIBLE]
    return [*_ordered([row for row in rows if row.decision != POSSIBLE], order), *possible]


def _ordered(rows: list[ReviewedLesion], order: str) -> list[ReviewedLesion]:
    def volume(row: ReviewedLesion) -> tuple[float, int]:
        return -row.lesion.volume_mm3, row.lesion.id

    if order == ORDERS[0]:
        return sorted(rows, key=lambda row: (row.lesion.certainty, *volume(row)))
    if order == ORDERS[1]:
        return sorted(rows, key=lambda row: (_NEW_FIRST.index(row.state), *volume(row)))
    if order == ORDERS[2]:
        return sorted(rows, key=volume)
    raise SettingsError(f"There is no order '{order}'. Known orders: {', '.join(ORDERS)}.")


def totals_by_state(rows: Iterable[ReviewedLesion]) -> dict[str, dict[str, float]]:
    """``{state: {"lesions": count, "volume_mm3": sum}}`` of the lesions that are in the mask."""
    totals: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.decision in IN_MASK:
            total = totals.setdefault(row.state, {"lesions": 0, "volume_mm3": 0.0})
            total["lesions"] += 1
            total["volume_mm3"] += row.lesion.volume_mm3
    return totals


_COLUMNS: dict[str, Callable[[ReviewedLesion], object]] = {
    "number": lambda row: row.lesion.id,
    "state": lambda row: row.state,
    "decision": lambda row: row.decision,
    "region": lambda row: row.lesion.region,
    "volume_mm3": lambda row: fixed(row.lesion.volume_mm3, 2),
    "longest_axis_mm": lambda row: fixed(row.lesion.longest_axis_mm, 2),
    **of_lesion(CENTRE_COLUMNS),
    "mean_probability": lambda row: fixed(row.lesion.mean_probability, 3),
    "true_percent": lambda row: percent(row.lesion.true_share),
}


def write_rows(rows: Iterable[ReviewedLesion], path: Path) -> None:
    """Write rows in their order as a CSV file, units in the header; what is not known stays empty."""
    write_table(rows, _COLUMNS, path)
