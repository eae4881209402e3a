"""``study transfer``: does fine-tuning a base model beat training de novo on the same few cases?

The protocol of Huang et al. 2023 (Front Neurosci 17:1188336): patients in subsets of k; a model for n = m k patients
is trained on m consecutive subsets and tested on the next one, in rotation, so that every subset is the test set
once; the base model and a second reader are scored on the first subset.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.cluster import check_executor
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.studies.engine.base_models import check_base_models
from MSLesionSegLib.studies.engine.executor import run_cells
from MSLesionSegLib.studies.engine.record import PREPARED, check_study_folder, open_study
from MSLesionSegLib.studies.engine.rotation import check_subsets, make_subsets
from MSLesionSegLib.studies.engine.study_cases import PREPARE, check_names, native_centre, prepared_centre
from MSLesionSegLib.studies.transfer.cells import transfer_cells
from MSLesionSegLib.studies.transfer.report import write_transfer_report
from MSLesionSegLib.studies.transfer.settings import TransferData, TransferSettings


def run_transfer(
    settings: TransferSettings, data: TransferData, folder: Path, executor: str, progress: Progress
) -> Path:
    """Run the study in ``folder``, or go on with it; returns its page.

    Raises:
        SettingsError: impossible settings; OutputError: the folder holds something else.
    """
    _check(settings, data)
    check_executor(executor)
    check_study_folder(folder)
    prepared = folder / PREPARED
    progress.stage(PREPARE)
    cases = [case for source in data.cases for case in native_centre(Path(source), prepared, progress)]
    external = [case for source in data.external for case in native_centre(Path(source), prepared, progress)]
    others = [
        case for source in data.base_cases for case in prepared_centre(Path(source), prepared, progress)
    ]
    subsets = make_subsets(cases, settings.subset, settings.seed)
    used = [case for subset in subsets for case in subset]
    for case in cases:
        if case not in used:
            progress.warning("left-out", f"{case.name} is left out: the subsets are full without it.")
    cells = transfer_cells(settings, subsets, external, others)
    described = [case.described() for case in (*used, *external, *others)]
    bases = check_base_models(settings.bases, [*used, *external], progress)
    record = open_study(folder, "transfer", asdict(settings), asdict(data), described, bases)
    done = run_cells(cells, folder, executor=executor, threads=settings.threads, progress=progress)
    progress.stage("write report")
    return write_transfer_report(folder, cells, done, [*used, *external], record)


def _check(settings: TransferSettings, data: TransferData) -> None:
    check_names([Path(source) for source in (*data.cases, *data.external, *data.base_cases)])
    if not settings.bases and not settings.levels:
        raise SettingsError("Give at least one --base model, or --levels with --base-cases.")
    if settings.levels and not data.base_cases:
        raise SettingsError("--levels needs --base-cases: the base of these networks is trained on them.")
    check_subsets(settings.subset, settings.sizes)
