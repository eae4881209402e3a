"""``study dynamics``: how parameters and representations change in training, with and without transfer.

After Karimi et al. 2021, "Transfer learning in fully convolutional networks: dynamics of parameters and
representations": networks from random weights, from base models, and with a frozen random encoder, followed along
their training by RSIM.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.cluster import check_executor
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.models.store import find_model, read_card
from MSLesionSegLib.studies.dynamics.cells import FROZEN, RANDOM, TRANSFER, compare, follow
from MSLesionSegLib.studies.dynamics.report import write_dynamics_report
from MSLesionSegLib.studies.engine.base_models import check_base_models
from MSLesionSegLib.studies.engine.cells import Cell
from MSLesionSegLib.studies.engine.centres import Centre, split_centre
from MSLesionSegLib.studies.engine.executor import run_cells
from MSLesionSegLib.studies.engine.recipes import with_length
from MSLesionSegLib.studies.engine.record import PREPARED, check_study_folder, open_study
from MSLesionSegLib.studies.engine.study_cases import PREPARE, prepared_centre


@dataclass(frozen=True)
class DynamicsSettings:
    """All that decides the study, besides the cases.

    Attributes:
        bases: base models, U-Nets of one architecture; the k-th seed starts from the k-th one, in turn.
        recipe: of all trainings. Its learning rate is that of transfer; from random weights the rate is twice that,
            as in the paper.
        points: moments of the training, evenly spread, at which the network is kept and scored.
        patches: test patches through which networks are compared.
        samples: places per layer at which activations are compared.
        seeds: of random weights and of the drawing of patches; every kind of training is repeated for each.
        test_share: part of the patients that is not trained on; scores and activations are theirs.
        threads: of each cell.
    """

    bases: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    points: int = 8
    patches: int = 24
    samples: int = 4000
    seeds: tuple[int, ...] = (0, 1)
    test_share: float = 0.2
    threads: int = 1


@dataclass(frozen=True)
class DynamicsData:
    """Where the target centre is: a BIDS dataset or a folder of prepared examples."""

    centre: str


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
    architecture = Architecture(**wanted["architecture"])
    patch = torch.zeros(architecture.in_channels, *(wanted["patch"],) * 3)
    activations(build(architecture).eval(), [patch] * wanted["patches"], wanted["samples"])


def dynamics_cells(settings: DynamicsSettings, centre: Centre) -> list[Cell]:
    """All cells of the study: the trainings, then the comparison of all."""
    cells = []
    files = {f"{c.site}/{c.name}": str(c.example.folder.absolute()) for c in (*centre.train, *centre.test)}
    recipe = with_length(settings.recipe, len(centre.train))
    common = {
        "train": [case.described() for case in centre.train],
        "test": [case.described() for case in centre.test],
        "points": _points(recipe["steps"], settings.points),
    }
    for k, seed in enumerate(settings.seeds):
        folder = find_model(settings.bases[k % len(settings.bases)])
        card = read_card(folder)
        slow = {**recipe, "seed": seed}
        fast = {**slow, "learning_rate": 2 * slow["learning_rate"]}
        base = {"model": card.name, "sha256": card.weights_sha256}
        for kind, start, own in ((RANDOM, None, fast), (TRANSFER, base, slow), (FROZEN, None, fast)):
            content = {
                **common,
                "architecture": asdict(card.architecture),
                "start": start,
                "frozen": kind == FROZEN,
                "seed": seed,
                "recipe": own,
            }
            where = {**files, "base": str(folder.absolute())} if start else files
            cells.append(Cell(f"{kind}.seed{seed}", follow, content, where))
    needs = tuple(cell.name for cell in cells if not cell.name.startswith(FROZEN))
    content = {
        **common,
        "architecture": cells[0].settings["architecture"],
        "patch": recipe["patch"],
        "patches": settings.patches,
        "samples": settings.samples,
    }
    return [*cells, Cell("comparison", compare, content, files, needs)]


def _points(steps: int, count: int) -> list[int]:
    if not 2 <= count <= steps:
        raise SettingsError(
            f"A training of {steps} steps can be scored 2 to {steps} times, not {count} times."
        )
    return [round(k * steps / count) for k in range(count + 1)]
