"""``study pretraining``: does an encoder that has learnt from scans without masks save masks?

After "Pretrain once and finetune many times": each network is pre-trained once on scans without masks, then trained
with n masks, from there and from random weights, by the rotation of ``study transfer``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.cluster import check_executor
from MSLesionSegLib.jobs.progress import Progress, Within
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.models.store import find_model, read_card
from MSLesionSegLib.studies.engine.base_models import check_base_models
from MSLesionSegLib.studies.engine.executor import run_cells
from MSLesionSegLib.studies.engine.record import PREPARED, check_study_folder, open_study
from MSLesionSegLib.studies.engine.rotation import check_subsets, make_subsets
from MSLesionSegLib.studies.engine.study_cases import (
    PREPARE,
    StudyCase,
    check_names,
    native_centre,
    unlabelled_centre,
)
from MSLesionSegLib.studies.pretraining.cells import pretraining_cells
from MSLesionSegLib.studies.pretraining.report import write_pretraining_report
from MSLesionSegLib.studies.pretraining.settings import PretrainingData, PretrainingSettings
from MSLesionSegLib.training.fine_tuning.budget import refuse_patch


def run_pretraining(
    settings: PretrainingSettings, data: PretrainingData, folder: Path, executor: str, progress: Progress
) -> Path:
    """Run the study in ``folder``, or go on with it; returns its page.

    Scans that are cases to test on as well are left out of the pre-training.

    Raises:
        SettingsError: impossible settings; OutputError: the folder holds something else.
    """
    _check(settings, data)
    check_executor(executor)
    check_study_folder(folder)
    prepared = folder / PREPARED
    progress.stage(PREPARE)
    inner = Within(progress, PREPARE)
    cases = [case for source in data.cases for case in native_centre(Path(source), prepared, progress)]
    scans = [scan for source in data.scans for scan in unlabelled_centre(Path(source), prepared, inner)]
    subsets = make_subsets(cases, settings.subset, settings.seed) if data.cases else []
    used = [case for subset in subsets for case in subset]
    scans = _without(scans, used, progress)
    cells = pretraining_cells(settings, scans, subsets)
    described = [case.described() for case in (*scans, *used)]
    bases = check_base_models([settings.base] if settings.base else [], used, progress)
    record = open_study(folder, "pretraining", asdict(settings), asdict(data), described, bases)
    done = run_cells(cells, folder, executor=executor, threads=settings.threads, progress=progress)
    progress.stage("write report")
    return write_pretraining_report(folder, settings, cells, done, used, record)


def _without(scans: Sequence[StudyCase], cases: Sequence[StudyCase], progress: Progress) -> list[StudyCase]:
    """Scans without those that are tested on: an encoder that has seen them would be judged too well."""
    tested = {
        digest
        for case in cases
        for digest in (case.files["image"], case.example.source, case.example.sha256)
        if digest
    }
    left = [scan for scan in scans if not {scan.example.source, scan.example.sha256} & tested]
    if len(left) < len(scans):
        progress.warning(
            "tested-scans",
            f"{len(scans) - len(left)} of the scans to pre-train on are cases to test on as well. They are left out.",
        )
    if not left:
        raise SettingsError("There are no scans to pre-train on but those to test on.")
    return left


def _check(settings: PretrainingSettings, data: PretrainingData) -> None:
    from MSLesionSegLib.training.pretraining.run import PretrainingRecipe, check_pretraining

    check_names([Path(source) for source in data.scans])
    check_names([Path(source) for source in data.cases])
    if not settings.networks or not data.scans:
        raise SettingsError("Give at least one network, and scans to pre-train on.")
    architectures = [
        Architecture.from_dict(network["architecture"]) for network in settings.networks.values()
    ]
    for architecture, network in zip(architectures, settings.networks.values(), strict=True):
        check_pretraining(architecture, PretrainingRecipe(**network["recipe"]))
    if not data.cases:
        return
    if settings.base is not None:
        architectures.append(read_card(find_model(settings.base)).architecture)
    for architecture in architectures:
        refuse_patch(settings.recipe["patch"], architecture)
    check_subsets(settings.subset, settings.sizes)
