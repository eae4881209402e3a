"""How the models of new lesions are made, stage by stage; every stage resumes where it was stopped.

The scheme is that of transfer learning for small data sets (Huang et al. 2023, Front Neurosci 17:1188336): a base
model learns change of another pathology, then of MS. Masks of real follow-ups are so rare in the open that both learn
from synthetic follow-ups of real scans (:mod:`~MSLesionSegLib.training.patches.synthetic_followup`); real pairs are
only measured on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from model_development.default_models import (
    Stage,
    adopt,
    prepare_real,
    real_shapes,
    train_and_store,
    training_facts,
)
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.synthesis.dataset import write_dataset
from MSLesionSegLib.training.examples.dataset_examples import prepare_dataset
from MSLesionSegLib.training.examples.example import read_examples
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.patches.synthetic_followup import CHANNELS, Host, PairSource

ARCHITECTURE = Architecture(feature_maps=16, full_resolution_divisor=2)
HEALTHY_PATIENTS = 8
FIRST_PARENT = "flair-base"


@dataclass(frozen=True)
class PairStage(Stage):
    """A training run on pairs; of its sources, those with a ``-healthy`` sibling lend their real lesions.

    Attributes:
        channels: input of the network.
        gains: how the parent's first filters are shared out to the channels where the parent has one channel only.
    """

    channels: tuple[str, ...] = ("subtraction",)
    gains: tuple[float, ...] = ()


# the lesions are small; the time is better spent on more patches
_BASE = TrainingRecipe(steps=400, patch=48, insertion=0.9, other_pathology=1.0, intensity=0.8)
_FINE = TrainingRecipe(steps=1200, patch=48, insertion=0.5, other_pathology=0.0, intensity=0.6, geometry=0.7)
_OTHER = {"ms3seg-healthy": 0.5, "openms_cross-healthy": 1.0, "brats-healthy": 1.5, "synthetic-healthy": 0.2}
_MS = {"ms3seg": 1.0, "openms_cross": 2.5, "brats-healthy": 0.5, "synthetic-healthy": 0.05}

STAGES: dict[str, PairStage] = {
    "new-base": PairStage(FIRST_PARENT, _BASE, _OTHER),
    "new-ms": PairStage("new-base", _FINE, _MS),
    "new-ms-three": PairStage("new-base", _FINE, _MS, channels=CHANNELS, gains=(1.0, 0.0, 0.0)),
}


def prepare_hosts(data: Path, work: Path, progress: Progress) -> None:
    """Prepare the scans that follow-ups are made of, with their lesions and without; finished ones are kept."""
    adopt(FIRST_PARENT, work)
    healthy = write_dataset(
        work / "datasets" / "synthetic-healthy", HEALTHY_PATIENTS, mixture="healthy", progress=progress
    )
    prepare_dataset(healthy, work / "examples" / "synthetic-healthy", progress=progress)
    prepare_real(data, work, progress)


def train_stage(name: str, data: Path, work: Path, progress: Progress) -> Path:
    """Train one stage and store it below ``work/models``; a finished stage is kept.

    Raises:
        SettingsError: its parent is not trained yet, no hosts are prepared, or a model of its name was made
            otherwise.
    """
    stage = STAGES[name]
    source = PairSource(
        stage_hosts(stage, work / "examples"), stage.recipe, stage.channels, real_shapes(data)
    )
    facts = training_facts(name, stage.parent, source.examples, work) | {"hosts": len(source.hosts)}
    card = ModelCard(
        name=name,
        task="new",
        architecture=replace(ARCHITECTURE, in_channels=len(stage.channels)),
        channels=stage.channels,
        parent=stage.parent,
        recipe=stage.recipe.as_dict(),
        training=facts,
    )
    return train_and_store(card, stage.recipe, source, work, progress, stage.gains)


def stage_hosts(stage: PairStage, folder: Path) -> list[Host]:
    """Hosts of a stage with their weights.

    Raises:
        SettingsError: nothing is prepared.
    """
    hosts = []
    for name, weight in stage.sources.items():
        twins = {e.name.removesuffix("_healthy"): e for e in read_examples(folder / f"{name}-healthy")}
        for example in read_examples(folder / name):
            hosts.append(Host(replace(example, weight=weight), twins.get(example.name, example)))
    if not hosts:
        raise SettingsError(f"No prepared examples in {folder}: run the step 'prepare' first.")
    return hosts
