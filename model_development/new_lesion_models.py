"""How the models of new lesions are made, stage by stage; every stage resumes where it was stopped.

The scheme is that of transfer learning for small data sets (Huang et al. 2023, Front Neurosci 17:1188336): a base
model learns change of another pathology, then of MS. Masks of real follow-ups are so rare in the open that both learn
from synthetic follow-ups of real scans (:mod:`~MSLesionSegLib.training.patches.synthetic_followup`); real pairs are
only measured on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from model_development.default_models import adopt, real_shapes, train_and_store, training_facts
from model_development.stepwise import go_through
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.synthesis.dataset import write_dataset
from MSLesionSegLib.training.examples.dataset_examples import prepare_dataset
from MSLesionSegLib.training.examples.example import read_examples
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.patches.synthetic_followup import CHANNELS, Host, PairSource

ARCHITECTURE = Architecture(base=16, thin=2)
REAL_MS = ("ms3seg", "openms_cross")
HEALTHY_PATIENTS = 8
FIRST_PARENT = "flair-base"


@dataclass(frozen=True)
class Stage:
    """One training run.

    Attributes:
        parent: stage that it starts from, or a model of the FLAIR task, or None for random weights.
        recipe: how it is trained.
        hosts: weight by folder of prepared examples. A folder with a ``-healthy`` sibling lends its real lesions,
            others serve as they are.
        channels: input of the network.
        gains: how the parent's first filters are shared out to the channels where the parent has one channel only.
    """

    parent: str | None
    recipe: TrainingRecipe
    hosts: dict[str, float]
    channels: tuple[str, ...] = ("subtraction",)
    gains: tuple[float, ...] = ()


# the lesions are small; the time is better spent on more patches
_BASE = TrainingRecipe(steps=400, patch=48, insertion=0.9, other_pathology=1.0, intensity=0.8)
_FINE = TrainingRecipe(steps=1200, patch=48, insertion=0.5, other_pathology=0.0, intensity=0.6, geometry=0.7)
_OTHER = {"ms3seg-healthy": 0.5, "openms_cross-healthy": 1.0, "brats-healthy": 1.5, "synthetic-healthy": 0.2}
_MS = {"ms3seg": 1.0, "openms_cross": 2.5, "brats-healthy": 0.5, "synthetic-healthy": 0.05}

STAGES: dict[str, Stage] = {
    "new-base": Stage(FIRST_PARENT, _BASE, _OTHER),
    "new-ms": Stage("new-base", _FINE, _MS),
    "new-ms-three": Stage("new-base", _FINE, _MS, CHANNELS, gains=(1.0, 0.0, 0.0)),
}
# expected share of the time
STEPS: dict[str, float] = {
    "prepare": 5,
    **{name: stage.recipe.steps / 40 for name, stage in STAGES.items()},
}


def prepare_hosts(data: Path, work: Path, progress: Progress) -> None:
    """Prepare the scans that follow-ups are made of, with their lesions and without; finished ones are kept."""
    adopt(FIRST_PARENT, work)
    healthy = write_dataset(
        work / "datasets" / "synthetic-healthy", HEALTHY_PATIENTS, mixture="healthy", progress=progress
    )
    prepare_dataset(healthy, work / "examples" / "synthetic-healthy", progress=progress)
    for name in REAL_MS:
        prepare_dataset(data / name, work / "examples" / name, progress=progress)
        prepare_dataset(
            data / name, work / "examples" / f"{name}-healthy", healing="paint", progress=progress
        )
    prepare_dataset(data / "brats", work / "examples" / "brats-healthy", healing="cut", progress=progress)


def train_stage(name: str, data: Path, work: Path, progress: Progress) -> Path:
    """Train one stage and store it below ``work/models``; a finished stage is kept.

    Raises:
        SettingsError: unknown stage, its parent is not trained yet, no hosts are prepared, or a model of its name was
            made in another way.
    """
    if name not in STAGES:
        raise SettingsError(f"There is no stage '{name}'. Stages: {', '.join(STAGES)}.")
    stage = STAGES[name]
    hosts = stage_hosts(stage, work / "examples")
    source = PairSource(hosts, stage.recipe, stage.channels, real_shapes(data))
    card = _card(name, stage, source, work)
    return train_and_store(card, stage.recipe, source, work, progress, stage.gains)


def stage_hosts(stage: Stage, folder: Path) -> list[Host]:
    """Hosts of a stage with their weights.

    Raises:
        SettingsError: nothing is prepared.
    """
    hosts = []
    for name, weight in stage.hosts.items():
        twins = {e.name.removesuffix("_healthy"): e for e in read_examples(folder / f"{name}-healthy")}
        for example in read_examples(folder / name):
            hosts.append(Host(replace(example, weight=weight), twins.get(example.name, example)))
    if not hosts:
        raise SettingsError(f"No prepared examples in {folder}: run the step 'prepare' first.")
    return hosts


def run_steps(data: Path, work: Path, names: list[str], progress: Progress) -> Path:
    """Run steps in the order of :data:`STEPS`, all when ``names`` is empty; what is finished is not done again.

    Args:
        data: folder with the datasets ``ms3seg``, ``openms_cross``, ``brats`` and, when there, ``lesion_shapes``.
        work: folder for examples, checkpoints and models.

    Raises:
        SettingsError: an unknown step, or a step whose forerunner is missing.
    """

    def do(name: str, inner: Progress) -> None:
        if name == "prepare":
            prepare_hosts(data, work, inner)
        else:
            train_stage(name, data, work, inner)

    go_through(STEPS, names, progress, do)
    return work


def _card(name: str, stage: Stage, source: PairSource, work: Path) -> ModelCard:
    training = training_facts(name, stage.parent, source.examples, work)
    training["hosts"] = len(source.hosts)
    return ModelCard(
        name=name,
        task="new",
        architecture=replace(ARCHITECTURE, in_channels=len(stage.channels)),
        channels=stage.channels,
        parent=stage.parent,
        recipe=stage.recipe.as_dict(),
        training=training,
    )
