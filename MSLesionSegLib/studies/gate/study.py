"""``study gate``: is a model that was taught something wrong kept out of use?

The whole loop of a user - cases filed, fine-tuning, replay, gate - in a model store of its own, once with the right
masks and once with each of several wrong lessons. The validation cases are right: they were filed and frozen before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.cluster import check_executor
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.studies.engine.base_models import check_base_models
from MSLesionSegLib.studies.engine.executor import run_cells
from MSLesionSegLib.studies.engine.record import PREPARED, check_study_folder, open_study
from MSLesionSegLib.studies.engine.study_cases import PREPARE, NativeCase, by_patient, native_centre
from MSLesionSegLib.studies.gate.cells import LESSONS, OTHER_CONTRAST, gate_cells
from MSLesionSegLib.studies.gate.report import write_gate_report
from MSLesionSegLib.studies.gate.settings import GateData, GateSettings

VALIDATION_PATIENTS = 3


def run_gate(settings: GateSettings, data: GateData, folder: Path, executor: str, progress: Progress) -> Path:
    """Run the study in ``folder``, or go on with it; returns its page.

    Raises:
        SettingsError: impossible settings or too few patients; OutputError: the folder holds something else.
    """
    if settings.train < 1:
        raise SettingsError("Give at least one patient to train on.")
    check_executor(executor)
    check_study_folder(folder)
    progress.stage(PREPARE)
    cases = native_centre(Path(data.cases), folder / PREPARED, progress)
    training, validation = split(settings, [group[0] for group in by_patient(cases, settings.seed)])
    cells = gate_cells(settings, training, validation)
    if len(cells) < len(LESSONS):
        progress.warning("no-t1", f"No FLAIR has a T1w scan beside it, so '{OTHER_CONTRAST}' is left out.")
    described = [case.described() for case in (*training, *validation)]
    bases = check_base_models([settings.start], validation, progress)
    record = open_study(folder, "gate", asdict(settings), asdict(data), described, bases)
    done = run_cells(cells, folder, executor=executor, threads=settings.threads, progress=progress)
    progress.stage("write report")
    return write_gate_report(folder, done, record)


def split(
    settings: GateSettings, patients: Sequence[NativeCase]
) -> tuple[list[NativeCase], list[NativeCase]]:
    """Patients to train on and to validate on.

    Raises:
        SettingsError: a patient to validate on is not there, or there are too few.
    """
    by_name = {case.patient: case for case in patients}
    names = settings.validate or tuple(by_name)[:VALIDATION_PATIENTS]
    missing = [name for name in names if name not in by_name]
    if missing:
        raise SettingsError(
            f"There is no patient {', '.join(missing)}. Patients: {', '.join(sorted(by_name))}."
        )
    training = [case for case in patients if case.patient not in names][: settings.train]
    if len(training) < settings.train:
        needed = len(names) + settings.train
        raise SettingsError(f"There are {len(patients)} patients; the study needs {needed}.")
    return training, [by_name[name] for name in names]
