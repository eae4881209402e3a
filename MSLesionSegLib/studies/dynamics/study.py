"""``study dynamics``: how parameters and representations change in training, with and without transfer.

After Karimi et al. 2021, "Transfer learning in fully convolutional networks: dynamics of parameters and
representations": networks from random weights, from base models, and with a frozen random encoder, followed along
their training by RSIM.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.cluster import check_executor
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.models.store import find_model, read_card
from MSLesionSegLib.studies.dynamics.cells import dynamics_cells
from MSLesionSegLib.studies.dynamics.report import write_dynamics_report
from MSLesionSegLib.studies.dynamics.settings import DynamicsData, DynamicsSettings
from MSLesionSegLib.studies.engine.base_models import check_base_models
from MSLesionSegLib.studies.engine.cells import Cell
from MSLesionSegLib.studies.engine.centres import split_centre
from MSLesionSegLib.studies.engine.executor import run_cells
from MSLesionSegLib.studies.engine.record import PREPARED, check_study_folder, open_study
from MSLesionSegLib.studies.engine.study_cases import PREPARE, prepared_centre


def run_dynamics(
    settings: DynamicsSettings, data: DynamicsData, folder: Path, executor: str, progress: Progress
) -> Path:
    """Run the study in ``folder``, or go on with it; returns its page.

    Raises:
        SettingsError: impossible settings; OutputError: the folder holds something else.
    """
    _check(settings)
    check_executor(executor)
    check_study_folder(folder)
    progress.stage(PREPARE)
    source = Path(data.centre)
    cases = prepared_centre(source, folder / PREPARED, progress)
    centre = split_centre(source.name, cases, settings.test_share)
    cells = dynamics_cells(settings, centre)
    _check_samples(cells[-1])
    described = [case.described() for case in (*centre.train, *centre.test)]
    bases = check_base_models(settings.bases, centre.test, progress)
    record = open_study(folder, "dynamics", asdict(settings), asdict(data), described, bases)
    done = run_cells(cells, folder, executor=executor, threads=settings.threads, progress=progress)
    progress.stage("write report")
    return write_dynamics_report(folder, done, settings.seeds, record)


def _check(settings: DynamicsSettings) -> None:
    if not settings.bases or not settings.seeds:
        raise SettingsError("Give at least one --base model and one seed.")
    architectures = {read_card(find_model(model)).architecture for model in settings.bases}
    if len(architectures) > 1:
        raise SettingsError("The base models have different architectures and cannot be compared.")
    if architectures.pop().kind != "unet":
        raise SettingsError("Only U-Nets can be compared layer by layer here.")


def _check_samples(comparison: Cell) -> None:
    """Say before the trainings, not after them, that the layers cannot be compared by so few places."""
    import torch

    from MSLesionSegLib.network.architectures import Architecture, build
    from MSLesionSegLib.studies.dynamics.layers import activations

    wanted = comparison.settings
    architecture = Architecture.from_dict(wanted["architecture"])
    patch = torch.zeros(architecture.in_channels, *(wanted["patch"],) * 3)
    activations(build(architecture).eval(), [patch] * wanted["patches"], wanted["samples"])
