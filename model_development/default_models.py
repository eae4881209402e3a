"""How the shipped FLAIR models are made and measured, stage by stage; every stage resumes where it was stopped.

The scheme is that of transfer learning for small data sets (Huang et al. 2023, Front Neurosci 17:1188336): a base
model from other pathology, here with synthetic patients, is fine-tuned on MS. Each measured patient is scored by a
model that never saw this patient (rotation), and by one that never saw the patient's hospital.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from model_development.label_maps import write_label_map_patients
from model_development.patterns import prepare_inserted
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.files.atomic import atomic_folder
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import SHIPPED, load_model, read_card, save_model
from MSLesionSegLib.network.weight_transfer import inherit
from MSLesionSegLib.synthesis.dataset import write_dataset
from MSLesionSegLib.synthesis.lesions import Shape
from MSLesionSegLib.synthesis.shapes import shapes_from_file
from MSLesionSegLib.training.examples.dataset_examples import prepare_dataset
from MSLesionSegLib.training.examples.example import Example, fingerprint, read_examples
from MSLesionSegLib.training.loop.loop import Source, train_network
from MSLesionSegLib.training.loop.recipe import RECIPES, TrainingRecipe
from MSLesionSegLib.training.patches.patches import PatchSource

ARCHITECTURE = Architecture(feature_maps=16, full_resolution_divisor=2)


@dataclass(frozen=True)
class LesionRecipe(TrainingRecipe):
    """Counts lesions beside voxels.

    Attributes:
        loss: with the soft Dice of each lesion.
        lesion_by_lesion: part of the lesion-centred patches that draws a lesion, however small, instead of a voxel.
        widest_blur: standard deviation of the blur augmentation in voxels, at most.
    """

    loss: str = "lesion-dice-ce"
    lesion_by_lesion: float = 0.5
    widest_blur: float = TrainingRecipe.widest_blur


# of one template: for the brain network, the replay patients that ship, and studies
SYNTHETIC = {"ms": 20, "other": 16, "healthy": 8}
LABEL_MAP_EXAMPLES = ("synthetic-map-ms", "synthetic-map-other", "synthetic-map-healthy")
REAL_MS = ("ms3seg", "openms_cross")
ROTATION = (
    ("sub-101228", "sub-104670", "sub-105465", "sub-105755", "sub-07"),
    ("sub-101627", "sub-104899", "sub-105074", "sub-19"),
    ("sub-102313", "sub-104252", "sub-105911"),
)


@dataclass(frozen=True)
class Stage:
    """One training run.

    Attributes:
        parent: stage that it starts from, or None for random weights.
        recipe: how it is trained.
        sources: weight of each example by folder of prepared examples.
        leave_out: subjects that it must never see.
        averaged: share of the weights of stages before it in the model that it makes; the rest is its own.
    """

    parent: str | None
    recipe: TrainingRecipe
    sources: dict[str, float]
    leave_out: tuple[str, ...] = field(default=())
    averaged: dict[str, float] = field(default_factory=dict)


_MS = {
    "ms3seg": 1.0,
    "openms_cross": 2.5,
    "ms3seg-healthy": 0.6,
    "openms_cross-healthy": 1.2,
    "openms_cross-inserted": 0.15,
    "brats-healthy": 1.0,
    "synthetic-map-ms": 0.15,
    "synthetic-map-healthy": 0.3,
}
_OTHER = {"synthetic-map-ms": 1.0, "synthetic-map-other": 1.0, "synthetic-map-healthy": 0.3, "brats": 3.0}

# from a base model on all the real scans: counting lesions beside voxels
_LESIONS = LesionRecipe(**RECIPES["default"].but(steps=2000).as_dict())
# scans with more blur and noise than the real ones have
_STURDY = _LESIONS.but(steps=2400, intensity=1.0, thick_slices=0.2, widest_blur=2.2, learning_rate=5e-4)

STAGES: dict[str, Stage] = {
    "flair-base": Stage(None, RECIPES["base"], _OTHER),
    **{
        f"rotation-lesions-{k}": Stage("flair-base", _LESIONS, _MS, leave_out=group)
        for k, group in enumerate(ROTATION, start=1)
    },
    **{
        f"rotation-{k}": Stage(
            f"rotation-lesions-{k}", _STURDY, _MS, leave_out=group, averaged={f"rotation-lesions-{k}": 1 / 3}
        )
        for k, group in enumerate(ROTATION, start=1)
    },
    # few steps: these only show how a hospital that training never saw fares
    **{
        f"without-{site}": Stage(
            "flair-base",
            _LESIONS.but(steps=600),
            {name: weight for name, weight in _MS.items() if not name.startswith(site)},
        )
        for site in ("ms3seg", "openms")
    },
    "flair-voxels": Stage("flair-base", RECIPES["default"].but(steps=7150), _MS),
    "flair-lesions": Stage("flair-voxels", _LESIONS.but(steps=6000), _MS),
    "flair-ms": Stage("flair-lesions", _STURDY, _MS, averaged={"flair-lesions": 0.25, "flair-voxels": 0.25}),
}


def make_synthetic(data: Path, work: Path, progress: Progress) -> None:
    """Write the synthetic patients that the stages train on."""
    for mixture, patients in SYNTHETIC.items():
        folder = work / "datasets" / f"synthetic-{mixture}"
        write_dataset(folder, patients, mixture=mixture, shapes=real_shapes(data), progress=progress)
    write_label_map_patients(data / "label_maps", work / "datasets", real_shapes(data), progress)


def prepare_examples(data: Path, work: Path, progress: Progress) -> None:
    """Prepare synthetic and real scans; the real MS scans also with their lesions painted over."""
    for name in (*(f"synthetic-{mixture}" for mixture in SYNTHETIC), *LABEL_MAP_EXAMPLES):
        prepare_dataset(work / "datasets" / name, work / "examples" / name, progress=progress)
    prepare_dataset(data / "brats", work / "examples" / "brats", progress=progress)
    prepare_real(data, work, progress)
    prepare_inserted(data / "openms_cross", work / "examples" / "openms_cross-inserted", progress)


def prepare_real(data: Path, work: Path, progress: Progress) -> None:
    """Prepare the real MS scans, with their lesions and painted over, and tumour patients' brains without tumours."""
    examples = work / "examples"
    for name in REAL_MS:
        prepare_dataset(data / name, examples / name, progress=progress)
        prepare_dataset(data / name, examples / f"{name}-healthy", healing="paint", progress=progress)
    prepare_dataset(data / "brats", examples / "brats-healthy", healing="cut", progress=progress)


def train_stage(name: str, data: Path, work: Path, progress: Progress) -> Path:
    """Train one stage and store it as a model below ``work/models``; a finished stage is not trained again.

    Raises:
        SettingsError: its parent is not trained yet, or a model of its name was made from other cases, another recipe
            or another parent.
    """
    stage, examples, card = described_stage(
        STAGES, name, work, task="flair", architecture=ARCHITECTURE, channels=("FLAIR",)
    )
    source = PatchSource(examples, stage.recipe, real_shapes(data))
    return train_and_store(card, stage.recipe, source, work, progress)


def described_stage(
    stages: Mapping[str, Stage], name: str, work: Path, **what: Any
) -> tuple[Stage, list[Example], ModelCard]:
    """A stage, its examples, and the card of the model that it makes; ``what``: task, architecture and channels.

    Raises:
        SettingsError: no examples, or a stage that it starts from is not trained yet.
    """
    stage = stages[name]
    examples = stage_examples(stage, work / "examples")
    facts = training_facts(name, stage.parent, examples, work)
    if stage.averaged:
        facts["averaged"] = stage.averaged
        facts["averaged_sha256"] = {one: _sha256_of(one, name, work) for one in stage.averaged}
    recipe = stage.recipe.as_dict()
    card = ModelCard(name, parent=stage.parent, mirroring=True, recipe=recipe, training=facts, **what)
    return stage, examples, card


def train_and_store(
    card: ModelCard,
    recipe: TrainingRecipe,
    source: Source,
    work: Path,
    progress: Progress,
    gains: Sequence[float] = (),
) -> Path:
    """Train what a card describes and store it below ``work/models``; a finished model is not trained again.

    Args:
        card: of the model to be; its parent, and what ``training`` says is averaged, stand in ``work/models``.
        recipe: how it is trained.
        source: draws its batches.
        work: folder of models and checkpoints.
        progress: told step and loss.
        gains: see :func:`~MSLesionSegLib.network.weight_transfer.inherit`.

    Raises:
        SettingsError: a model of its name was made from other cases, another recipe or another parent.
    """
    finished = work / "models" / card.name
    if finished.exists():
        old = read_card(finished)
        if (old.recipe, old.training) != (card.recipe, card.training):
            raise SettingsError(
                f"{finished} was trained with another recipe, other cases or another parent. Move it away to train "
                "it anew."
            )
        return finished
    torch.manual_seed(recipe.seed)
    network = build(card.architecture)
    if card.parent:
        inherit(network, load_model(work / "models" / card.parent).network, gains)
    checkpoint = work / "checkpoints" / f"{card.name}.pt"
    train_network(network, source, recipe, checkpoint=checkpoint, progress=progress)
    _average(network, card.training.get("averaged", {}), work / "models")
    saved = save_model(work / "models", network, card)
    checkpoint.unlink(missing_ok=True)
    return saved


def _average(network: torch.nn.Module, shares: Mapping[str, float], models: Path) -> None:
    """Average shares of other models' weights into a network, which keeps more of what these could.

    As in Wortsman et al. 2022 (CVPR, arXiv:2109.01903).
    """
    mean = {name: value.float() * (1 - sum(shares.values())) for name, value in network.state_dict().items()}
    for model, share in shares.items():
        for name, value in load_model(models / model).network.state_dict().items():
            mean[name] = mean[name] + share * value.float()
    network.load_state_dict(mean)


def adopt(name: str, work: Path) -> None:
    """Copy a shipped model into ``work/models``, where stages of another task start from it; one there stays."""
    target = work / "models" / name
    if not target.exists():
        with atomic_folder(target) as partial:
            shutil.copytree(SHIPPED / name, partial, dirs_exist_ok=True)


def training_facts(name: str, parent: str | None, examples: Sequence[Example], work: Path) -> dict[str, Any]:
    """What a card says about the cases and the parent of a stage.

    Raises:
        SettingsError: the parent is not trained yet.
    """
    training: dict[str, Any] = {
        "examples": len(examples),
        "by_source": dict(Counter(example.folder.parent.name for example in examples)),
        "fingerprint": fingerprint(examples),
    }
    if parent:
        training["parent_sha256"] = _sha256_of(parent, name, work)
    return training


def _sha256_of(needed: str, name: str, work: Path) -> str:
    """Of the weights of a stage that the stage ``name`` needs."""
    folder = work / "models" / needed
    if not folder.exists():
        raise SettingsError(f"Stage '{name}' starts from '{needed}': train that first.")
    return read_card(folder).weights_sha256


def stage_examples(stage: Stage, folder: Path) -> list[Example]:
    """Examples of a stage with their weights, without the subjects that it must not see."""
    examples = []
    for source, weight in stage.sources.items():
        for example in read_examples(folder / source):
            if example.name.split("_")[0] not in stage.leave_out:
                examples.append(replace(example, weight=weight))
    if not examples:
        raise SettingsError(
            f"No prepared examples in {folder}: run the stages 'synthesise' and 'prepare' first."
        )
    return examples


def real_shapes(data: Path) -> Shape | None:
    """The shapes of real lesions, where the folder of datasets has them."""
    file = data / "lesion_shapes" / "ms_lesion_masks_mni1mm_sparse.npz"
    return shapes_from_file(file) if file.exists() else None
