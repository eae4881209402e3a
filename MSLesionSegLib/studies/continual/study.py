"""``study continual``: centres one after the other, with and without experience replay.

After Karthik et al. 2022, "Segmentation of multiple sclerosis lesions across hospitals: learn continually or train
from scratch?": a network for each centre, sequential fine-tuning, experience replay with up to 20 cases of each
earlier centre, and one network for all centres.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.cluster import check_executor
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.studies.continual.cells import continual_cells, sequences
from MSLesionSegLib.studies.continual.report import write_continual_report
from MSLesionSegLib.studies.continual.settings import BUFFER, ContinualData, ContinualSettings
from MSLesionSegLib.studies.engine.base_models import check_base_models
from MSLesionSegLib.studies.engine.centres import split_centre
from MSLesionSegLib.studies.engine.executor import run_cells
from MSLesionSegLib.studies.engine.record import PREPARED, check_study_folder, open_study
from MSLesionSegLib.studies.engine.study_cases import PREPARE, check_names, prepared_centre


def run_continual(
    settings: ContinualSettings, data: ContinualData, folder: Path, executor: str, progress: Progress
) -> Path:
    """Run the study in ``folder``, or go on with it; returns its page.

    Raises:
        SettingsError: impossible settings; OutputError: the folder holds something else.
    """
    _check(settings, data)
    check_executor(executor)
    check_study_folder(folder)
    progress.stage(PREPARE)
    centres = []
    for source in map(Path, data.centres):
        cases = prepared_centre(source, folder / PREPARED, progress)
        centres.append(split_centre(source.name, cases, settings.test_share))
    cells = continual_cells(settings, centres)
    described = [case.described() for centre in centres for case in (*centre.train, *centre.test)]
    tested = [case for centre in centres for case in centre.test]
    bases = check_base_models([settings.start] if settings.start else [], tested, progress)
    record = open_study(folder, "continual", asdict(settings), asdict(data), described, bases)
    done = run_cells(cells, folder, executor=executor, threads=settings.threads, progress=progress)
    progress.stage("write report")
    orders = sequences(len(centres), settings.orders)
    return write_continual_report(folder, cells, done, centres, orders, settings.seeds, record)


def _check(settings: ContinualSettings, data: ContinualData) -> None:
    check_names([Path(source) for source in data.centres])
    if len(data.centres) < 2:
        raise SettingsError("Continual learning needs at least two centres.")
    if not 1 <= settings.buffer <= BUFFER:
        raise SettingsError(f"The buffer keeps 1 to {BUFFER} cases of each centre, not {settings.buffer}.")
    most = math.factorial(len(data.centres))
    if settings.orders > most:
        raise SettingsError(f"{len(data.centres)} centres have {most} orders, not {settings.orders}.")
    if settings.orders < 1 or not settings.seeds or not 0 < settings.test_share < 1:
        raise SettingsError("Give at least one order and one seed, and a test share between 0 and 1.")
