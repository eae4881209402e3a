"""A study again, from its study.json."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.studies.continual.settings import ContinualData, ContinualSettings
from MSLesionSegLib.studies.continual.study import run_continual
from MSLesionSegLib.studies.dynamics.settings import DynamicsData, DynamicsSettings
from MSLesionSegLib.studies.dynamics.study import run_dynamics
from MSLesionSegLib.studies.engine.base_models import check_weight_hashes
from MSLesionSegLib.studies.engine.record import RECORD, read_study
from MSLesionSegLib.studies.gate.settings import GateData, GateSettings
from MSLesionSegLib.studies.gate.study import run_gate
from MSLesionSegLib.studies.pretraining.settings import PretrainingData, PretrainingSettings
from MSLesionSegLib.studies.pretraining.study import run_pretraining
from MSLesionSegLib.studies.transfer.settings import TransferData, TransferSettings
from MSLesionSegLib.studies.transfer.study import run_transfer
from MSLesionSegLib.versions import versions

Run = Callable[[Any, Any, Path, str, Progress], Path]

STUDIES: dict[str, tuple[type, type, Run]] = {
    "continual": (ContinualSettings, ContinualData, run_continual),
    "dynamics": (DynamicsSettings, DynamicsData, run_dynamics),
    "gate": (GateSettings, GateData, run_gate),
    "pretraining": (PretrainingSettings, PretrainingData, run_pretraining),
    "transfer": (TransferSettings, TransferData, run_transfer),
}


def rerun(record: Path, folder: Path, executor: str, progress: Progress) -> Path:
    """Run the study that ``record`` describes in a new folder; returns its page.

    Other versions than those of the first run are told as a warning.

    Raises:
        SettingsError: the record cannot be read, or the models or cases are no longer the same ones.
    """
    content = read_study(record)
    if content["study"] not in STUDIES:
        raise SettingsError(f"{record} is of the unknown study '{content['study']}'.")
    check_weight_hashes(content["models"])
    settings_type, data_type, run = STUDIES[content["study"]]
    now = versions()
    other = [
        f"{k} {v} instead of {now.get(k)}" for k, v in content.get("versions", {}).items() if now.get(k) != v
    ]
    if other:
        progress.warning("versions", f"The earlier run was made with {', '.join(other)}: numbers may differ.")
    page = run(
        _typed(settings_type, content["settings"]),
        _typed(data_type, content["data"]),
        folder,
        executor,
        progress,
    )
    if read_study(folder / RECORD)["cases"] != content["cases"]:
        raise SettingsError(
            "The cases are not those of the earlier run: their fingerprints in study.json differ."
        )
    return page


def _typed(kind: type, content: dict[str, Any]) -> Any:
    known = {field.name for field in fields(kind)}
    unknown = set(content) - known
    if unknown:
        raise SettingsError(
            f"The record has settings that this version does not know: {', '.join(sorted(unknown))}."
        )
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in content.items()})
