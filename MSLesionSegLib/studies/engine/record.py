"""study.json: everything that is needed to run a study again to the same numbers."""

from __future__ import annotations

import csv
import datetime
import io
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from MSLesionSegLib.errors import OutputError, SettingsError
from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.studies.engine.base_models import BaseModels
from MSLesionSegLib.versions import versions

RECORD = "study.json"
PREPARED = "material"  # folder of what is prepared for a study
FORMAT = 1
PROGRAM = "mslesionseg"
NO_BASE_MODELS = BaseModels()


def open_study(
    folder: Path,
    study: str,
    settings: Mapping[str, Any],
    data: Mapping[str, Any],
    cases: Sequence[Mapping[str, str]],
    bases: BaseModels = NO_BASE_MODELS,
) -> dict[str, Any]:
    """Begin a study in a folder, or go on with the same one.

    Args:
        folder: made when missing.
        study: its kind, such as ``transfer``.
        settings: all that decides the numbers, seeds and threads included (JSON types).
        data: where the inputs are (JSON types); moving them does not make another study.
        cases: name, site and ``sha256`` of each case, and of the files that the study reads for it.
        bases: the models that the study starts from.

    Returns:
        The content of ``study.json``.

    Raises:
        OutputError: the folder holds something else, or the same kind of study of other settings or cases.
    """
    file = folder / RECORD
    content = {
        "program": PROGRAM,
        "format": FORMAT,
        "study": study,
        "settings": dict(settings),
        "data": dict(data),
        "cases": [dict(case) for case in cases],
        "models": bases.weight_hashes,
        "cautions": bases.leakage_warnings,
        "versions": versions(),
        "machine": {"processor": platform.machine(), "system": platform.system(), "cores": os.cpu_count()},
        "created": datetime.datetime.now().isoformat(timespec="seconds"),
    }
    content = json.loads(json.dumps(content))
    if file.exists():
        old = read_study(file)
        different = [name for name in ("study", "settings", "cases", "models") if old[name] != content[name]]
        if different:
            changed = _changed(old, content)
            told = f" (changed since: {', '.join(changed)})" if changed else ""
            raise OutputError(
                f"{folder} holds a study with another {' and other '.join(different)}{told}. Give another folder."
            )
        return old
    write_text(file, json.dumps(content, indent=1) + "\n")
    return content


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Cases and models of the same name whose content is another one, with what differs, for people."""
    before = {(case["site"], case["name"]): case for case in old["cases"]}
    changed = []
    for case in new["cases"]:
        was = before.get((case["site"], case["name"]), case)
        what = [name for name in (*was, *case) if was.get(name) != case.get(name) and name != "sha256"]
        if was != case:
            changed.append(f"{case['name']}: {', '.join(dict.fromkeys(what)) or 'prepared example'}")
    models = old["models"]
    return changed + [name for name, weights in new["models"].items() if models.get(name, weights) != weights]


def check_study_folder(folder: Path) -> None:
    """Refuse a folder that holds something other than a study, before any work is done.

    Raises:
        OutputError: it is a file, or holds other files.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file. Give the name of a folder.")
    if folder.exists() and any(folder.iterdir()) and not (folder / RECORD).exists():
        begun = {path.name for path in folder.iterdir()} <= {PREPARED}
        if not begun:
            raise OutputError(f"{folder} holds files that are not a study. Give another folder.")


def read_study(file: Path) -> dict[str, Any]:
    """Read ``study.json``.

    Raises:
        SettingsError: missing, unreadable, or not of this program.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        known = content["program"] == PROGRAM and content["format"] <= FORMAT
        complete = {"study", "settings", "data", "cases"} <= set(content)
        content.setdefault("models", {})  # records of the first version do not have them
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{file} is not a readable study.json ({error}).") from error
    if not known or not complete:
        raise SettingsError(f"{file} is not a study of this version of MSLesionSeg.")
    return content


def write_csv(path: Path, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table in one step: numbers with six digits, None and NaN stay empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(heads)
    for row in rows:
        shown = ["" if v is None or v != v else v for v in row]
        writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in shown])
    write_text(path, stream.getvalue())
