"""The tables of a batch: a row per examination and a row per lesion, read back from the results on the disk."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from MSLesionSegLib.batch.examinations import Examination
from MSLesionSegLib.lesions.regions import REGIONS
from MSLesionSegLib.segmentation.outputs import read_manifest, write_text

EXAMINATIONS, LESIONS, COLUMNS = "examinations.tsv", "lesions.tsv", "examinations.json"
DONE, FAILED, MISSING, OPEN = "done", "failed", "incomplete", "open"

_ABSENT = "n/a"  # as BIDS wants it
_SETTINGS = ("threshold", "minimum_mm3", "minimum_peak", "connectivity")
_COLUMNS: dict[str, Any] = {
    "participant_id": {"Description": "Participant."},
    "session_id": {"Description": "Session."},
    "status": {
        "Description": "How far it came.",
        "Levels": {
            DONE: "the result stands in the folder of the examination",
            FAILED: "see problem",
            MISSING: "scans that the task needs are not in the dataset, see problem",
            OPEN: "not reached when the batch was stopped",
        },
    },
    "lesions": {"Description": "Number of lesions, counted as the columns to the right say."},
    "volume_mm3": {"Description": "Volume of all lesions.", "Units": "mm3"},
    **{
        f"{region.replace(' ', '_')}_lesions": {"Description": f"Number of lesions: {region}."}
        for region in REGIONS
    },
    "brain_volume_mm3": {"Description": "Volume of the brain mask.", "Units": "mm3"},
    "model": {"Description": "Model that found the lesions."},
    "threshold": {"Description": "Probability from which a voxel is lesion."},
    "minimum_mm3": {"Description": "Smaller lesions were dropped.", "Units": "mm3"},
    "minimum_peak": {"Description": "Lesions that nowhere reach this probability were dropped."},
    "connectivity": {"Description": "Neighbours by which voxels hang together: 6, 18 or 26."},
    "seconds": {"Description": "Duration of the work.", "Units": "s"},
    "findings": {
        "Description": "Codes of what was noticed about the scans; the sentences stand on the page."
    },
    "problem": {"Description": "Why there is no result."},
}


@dataclass(frozen=True)
class Row:
    """Where one examination of a batch stands: its ``status`` and, where there is no result, the ``problem``."""

    examination: Examination
    status: str
    problem: str = ""


def write_tables(folder: Path, rows: Sequence[Row]) -> None:
    """Write the table of examinations, the description of its columns and the table of all lesions.

    Args:
        folder: the derivatives with the results.
        rows: in the order of the table. Of those ``done`` the numbers are read from their results; where a result
            has gone meanwhile the table says so.

    Raises:
        OutputError: they cannot be written.
    """
    rows = [_checked(folder, row) for row in rows]
    write_text(folder / EXAMINATIONS, _tsv([list(_COLUMNS), *(_cells(folder, row) for row in rows)]))
    write_text(folder / COLUMNS, json.dumps(_COLUMNS, indent=1) + "\n")
    write_text(folder / LESIONS, _tsv(_lesions(folder, rows)))


def _checked(folder: Path, row: Row) -> Row:
    result = folder / row.examination.folder
    manifest = read_manifest(result)
    gone = manifest is None or not (result / manifest["files"].get("table", "lesions.csv")).is_file()
    return replace(row, status=FAILED, problem="Its result is gone.") if row.status == DONE and gone else row


def _cells(folder: Path, row: Row) -> list[Any]:
    content: dict[str, Any] = {
        "participant_id": row.examination.participant,
        "session_id": row.examination.session,
        "status": row.status,
        "problem": row.problem,
    }
    if row.status == DONE:
        manifest = read_manifest(folder / row.examination.folder) or {}
        counts = manifest["counts"]
        content |= {name: counts[name] for name in ("lesions", "volume_mm3", "brain_volume_mm3")}
        content |= {
            f"{region.replace(' ', '_')}_lesions": counts["by_region"].get(region, {}).get("lesions", 0)
            for region in REGIONS
        }
        content |= {name: manifest["settings"][name] for name in _SETTINGS}
        content["model"] = manifest["model"]["name"]
        content["seconds"] = manifest["timings_s"]["total"]
        content["findings"] = " ".join(finding["code"] for finding in manifest["findings"])
    return [content.get(column) for column in _COLUMNS]


def _lesions(folder: Path, rows: Sequence[Row]) -> list[list[Any]]:
    table: list[list[Any]] = []
    for row in rows:
        if row.status != DONE:
            continue
        result = folder / row.examination.folder
        manifest = read_manifest(result) or {}
        with (result / manifest["files"]["table"]).open(newline="", encoding="utf-8") as stream:
            heads, *lesions = csv.reader(stream)
        if not table:
            table.append(["participant_id", "session_id", *heads])
        table += [[row.examination.participant, row.examination.session, *lesion] for lesion in lesions]
    return table or [["participant_id", "session_id", "id"]]


def _tsv(lines: Iterable[Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, escapechar="\\")
    for line in lines:
        writer.writerow([_ABSENT if v in (None, "") else " ".join(str(v).split()) for v in line])
    return stream.getvalue()
