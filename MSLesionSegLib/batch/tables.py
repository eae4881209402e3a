"""The tables of a batch: a row per examination and a row per lesion, read back from the results on the disk."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from MSLesionSegLib.batch.examinations import Examination
from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.lesions.lesion_states import STATES
from MSLesionSegLib.lesions.regions import REGIONS
from MSLesionSegLib.segmentation.result_folder import read_manifest
from MSLesionSegLib.tasks import get_task

EXAMINATIONS, LESIONS, COLUMNS = "examinations.tsv", "lesions.tsv", "examinations.json"
DONE, FAILED, MISSING, OPEN = "done", "failed", "incomplete", "open"

_ABSENT = "n/a"  # as BIDS wants it
_SETTINGS = ("threshold", "minimum_mm3", "minimum_peak", "connectivity")
_WHO: dict[str, Any] = {
    "participant_id": {"Description": "Participant."},
    "session_id": {"Description": "Session."},
}
_BASELINE: dict[str, Any] = {"baseline_session_id": {"Description": "Session that was compared with."}}
_STATUS: dict[str, Any] = {
    "status": {
        "Description": "How far it came.",
        "Levels": {
            DONE: "the result stands in the folder of the examination",
            FAILED: "see problem",
            MISSING: "scans that the task needs are not in the dataset, see problem",
            OPEN: "not reached when the batch was stopped",
        },
    },
}
_COUNTS: dict[str, Any] = {
    "lesions": {"Description": "Number of lesions, counted as the columns to the right say."},
    "volume_mm3": {"Description": "Volume of all lesions.", "Units": "mm3"},
    **{
        f"{region.replace(' ', '_')}_lesions": {"Description": f"Number of lesions: {region}."}
        for region in REGIONS
    },
    "brain_volume_mm3": {"Description": "Volume of the brain mask.", "Units": "mm3"},
}
_CHANGES: dict[str, Any] = {
    "comparability": {
        "Description": "How well the two scans can be compared.",
        "Levels": {
            "green": "nothing against it",
            "amber": "with the doubts that the page names",
            "red": "not: counts are withheld unless they were asked for",
        },
    },
    **{
        f"{state}_lesions": {
            "Description": f"Number of lesions: {state}; change counted as the columns to the right say."
        }
        for state in STATES
    },
    "new_volume_mm3": {"Description": "Volume of the new lesions.", "Units": "mm3"},
    "vanished_volume_mm3": {"Description": "Volume of the vanished lesions.", "Units": "mm3"},
    "baseline_volume_mm3": {"Description": "Volume of all lesions at baseline.", "Units": "mm3"},
    "followup_volume_mm3": {"Description": "Volume of all lesions at follow-up.", "Units": "mm3"},
    "flair_model": {"Description": "Model that found the lesions on each of the two scans."},
    "registration": {"Description": "How the follow-up was registered to the baseline."},
}
_HOW: dict[str, Any] = {
    "model": {"Description": "Model that found the lesions."},
    "threshold": {"Description": "Probability from which a voxel is lesion."},
    "minimum_mm3": {"Description": "Smaller lesions were dropped.", "Units": "mm3"},
    "minimum_peak": {"Description": "Lesions that nowhere reach this probability were dropped."},
    "connectivity": {"Description": "Neighbours by which voxels hang together: 6, 18 or 26."},
    "seconds": {"Description": "Duration of the work.", "Units": "s"},
    "findings": {
        "Description": "Codes of what was noticed about the scans; the sentences stand on the page."
    },
    "problem": {"Description": "Why there is no result, or no count."},
}


@dataclass(frozen=True)
class ExaminationRow:
    """Where one examination of a batch stands: its ``status`` and, where there is no result, the ``problem``."""

    examination: Examination
    status: str
    problem: str = ""


def write_tables(folder: Path, task: str, rows: Sequence[ExaminationRow]) -> None:
    """Write the table of examinations, the description of its columns and the table of all lesions.

    Args:
        folder: the derivatives with the results.
        task: of the task table.
        rows: in the order of the table. Of those ``done`` the numbers are read from their results; where a result
            has gone meanwhile the table says so.

    Raises:
        OutputError: they cannot be written.
    """
    rows = [_checked(folder, row) for row in rows]
    if get_task(task).compares:
        columns = {**_WHO, **_BASELINE, **_STATUS, **_CHANGES, **_HOW}
    else:
        columns = {**_WHO, **_STATUS, **_COUNTS, **_HOW}
    cells = (_cells(folder, row) for row in rows)
    lines = [[content.get(column) for column in columns] for content in cells]
    write_text(folder / EXAMINATIONS, _tsv([list(columns), *lines]))
    write_text(folder / COLUMNS, json.dumps(columns, indent=1) + "\n")
    write_text(folder / LESIONS, _tsv(_lesions(folder, rows)))


def _checked(folder: Path, row: ExaminationRow) -> ExaminationRow:
    result = folder / row.examination.folder
    manifest = read_manifest(result)
    gone = manifest is None or not all((result / name).is_file() for name in manifest["files"].values())
    return replace(row, status=FAILED, problem="Its result is gone.") if row.status == DONE and gone else row


def _cells(folder: Path, row: ExaminationRow) -> dict[str, Any]:
    """What the table says of an examination, by column."""
    content: dict[str, Any] = {
        "participant_id": row.examination.participant,
        "session_id": row.examination.session,
        "baseline_session_id": row.examination.baseline,
        "status": row.status,
        "problem": row.problem,
    }
    if row.status == DONE:
        manifest = read_manifest(folder / row.examination.folder) or {}
        content |= _changes(manifest) if get_task(manifest["task"]).compares else _counts(manifest["counts"])
        content |= {name: manifest["settings"][name] for name in _SETTINGS}
        content["model"] = manifest["model"]["name"]
        content["seconds"] = manifest["timings_s"]["total"]
        content["findings"] = " ".join(finding["code"] for finding in manifest["findings"])
    return content


def _counts(counts: Mapping[str, Any]) -> dict[str, Any]:
    content = {name: counts[name] for name in ("lesions", "volume_mm3", "brain_volume_mm3")}
    by_region = {
        f"{region.replace(' ', '_')}_lesions": counts["by_region"].get(region, {}).get("lesions", 0)
        for region in REGIONS
    }
    return content | by_region


def _changes(manifest: Mapping[str, Any]) -> dict[str, Any]:
    told, counts = manifest["comparability"], manifest["counts"]
    content = {
        "comparability": told["light"],
        "flair_model": manifest["flair_model"]["name"],
        "registration": manifest["settings"]["registration"],
    }
    if told["counts"] == "withheld":
        reasons = " ".join(check["sentence"] for check in told["checks"] if check["light"] == "red")
        return content | {"problem": f"The two scans cannot be compared, so nothing is counted. {reasons}"}
    content |= {f"{state}_lesions": number for state, number in counts["states"].items()}
    content |= {f"{state}_volume_mm3": counts[f"{state}_mm3"] for state in ("new", "vanished")}
    return content | {f"{name}_volume_mm3": counts[name]["volume_mm3"] for name in ("baseline", "followup")}


def _lesions(folder: Path, rows: Sequence[ExaminationRow]) -> list[list[Any]]:
    table: list[list[Any]] = []
    for row in rows:
        if row.status != DONE:
            continue
        result = folder / row.examination.folder
        manifest = read_manifest(result) or {}
        if "table" not in manifest["files"]:
            continue  # nothing is counted
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
