"""Pre-training on scans without masks ("Pretrain once and finetune many times"): the encoder of a base model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import save_model
from MSLesionSegLib.training.examples.example import Example, fingerprint
from MSLesionSegLib.training.loop.loop import Source, train_network
from MSLesionSegLib.training.loop.recipe import Recipe, TrainingRecipe
from MSLesionSegLib.training.patches.drawing_ahead import drawn_ahead
from MSLesionSegLib.training.patches.patches import PatchSource
from MSLesionSegLib.training.pretraining.pretext import UNETR_ALONE, build_pretext

LIMITS = (
    "Its encoder has seen scans, its decoder has learnt nothing: it finds no lesions before it is fine-tuned."
)


@dataclass(frozen=True)
class PretrainingRecipe(Recipe):
    """All that decides a pre-training, besides the scans and the network.

    Attributes:
        masked: share of the blocks (UNETR) or cubes that are hidden.
        cube: edge of the hidden cubes in voxels; a UNETR hides its own blocks of 16.
        rotation, contrastive: see :class:`~MSLesionSegLib.training.pretraining.pretext.Inpainting`.
    """

    steps: int = 600
    learning_rate: float = 5e-4
    weight_decay: float = 1e-5
    masked: float = 0.6
    cube: int = 8
    rotation: bool = False
    contrastive: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.patch < 16 or self.cube < 1 or not 0 < self.masked < 1:
            raise SettingsError(
                "Pre-training needs at least 1 step, 1 patch per step, a patch of 16 voxels, cubes of 1 voxel and a "
                "masked share between 0 and 1."
            )
        if self.contrastive and self.batch < 2:
            raise SettingsError("Contrastive coding needs at least 2 patches per step.")


@dataclass(frozen=True)
class PretrainedEncoder:
    """A pre-trained model's folder, and what its training was like.

    Attributes:
        folder: of the model.
        losses: reconstruction loss of every step.
        seconds: that the steps took, those before an interruption included.
    """

    folder: Path
    losses: list[float]
    seconds: float


@dataclass(frozen=True)
class PretrainingPreset:
    """A network with the pre-training that suits it."""

    architecture: Architecture
    recipe: PretrainingRecipe


# "paper" presets: sizes and rates of the paper, for a GPU; intensities stay z-scores, as fine-tuning will see them
PRETRAINING_PRESETS = {
    "unet": PretrainingPreset(Architecture(feature_maps=16, full_resolution_divisor=2), PretrainingRecipe()),
    "unetr": PretrainingPreset(
        Architecture(kind="unetr", feature_maps=8, patch=64, hidden=96, heads=6),
        PretrainingRecipe(masked=0.75),
    ),
    "swinunetr": PretrainingPreset(
        Architecture(kind="swinunetr", feature_maps=12), PretrainingRecipe(steps=400)
    ),
    "unetr-paper": PretrainingPreset(
        Architecture(kind="unetr", feature_maps=16, patch=160),
        PretrainingRecipe(steps=400_000, batch=3, patch=160, masked=0.75, learning_rate=1e-4),
    ),
    "swinunetr-paper": PretrainingPreset(
        Architecture(kind="swinunetr", feature_maps=48),
        PretrainingRecipe(
            steps=120_000, batch=3, patch=96, cube=16, rotation=True, contrastive=True, learning_rate=1e-4
        ),
    ),
}


def get_pretraining(name: str) -> PretrainingPreset:
    """A preset by its name.

    Raises:
        SettingsError: no such preset.
    """
    if name not in PRETRAINING_PRESETS:
        raise SettingsError(f"There is no preset '{name}'. Presets: {', '.join(PRETRAINING_PRESETS)}.")
    return PRETRAINING_PRESETS[name]


def pretrain(
    name: str,
    architecture: Architecture,
    recipe: PretrainingRecipe,
    examples: Sequence[Example],
    models: Path,
    *,
    checkpoint: Path,
    device: str = "cpu",
    progress: Progress | None = None,
) -> PretrainedEncoder:
    """Pre-train an encoder and store it, with a fresh decoder, as a base model to fine-tune.

    Args:
        name: of the model.
        architecture: of the network; a UNETR is bound to ``recipe.patch``.
        recipe: length, masking and rates.
        examples: prepared scans; their labels are not looked at.
        models: folder of the model store.
        checkpoint: see :func:`~MSLesionSegLib.training.loop.loop.train_network`.

    Raises:
        SettingsError: a patch that the network cannot take, no scans, or a loss that is no number any more.
    """
    progress = progress or Silent()
    check_pretraining(architecture, recipe)
    if not examples:
        raise SettingsError("There are no scans to pre-train on.")
    torch.manual_seed(recipe.seed)
    network = build(architecture)
    settings = {name: getattr(recipe, name) for name in ("masked", "cube", "rotation", "contrastive")}
    with drawn_ahead(PatchSource(examples, _patches(recipe), device=device), device) as batches:
        course = train_network(
            build_pretext(network, architecture, **settings),
            _SeededSource(batches, recipe.seed),
            recipe,
            objective=lambda losses, _: losses,
            checkpoint=checkpoint,
            device=device,
            progress=progress,
        )
    card = ModelCard(
        name=name,
        task="flair",
        architecture=architecture,
        channels=("FLAIR",),
        recipe={"pretext": "masked", **asdict(recipe)},
        training={"examples": len(examples), "fingerprint": fingerprint(examples)},
        results={
            "reconstruction_loss": round(float(np.mean(course.losses[-50:])), 4),
            "seconds": round(course.seconds),
        },
        description="Encoder pre-trained on scans without masks; a base model for fine-tuning.",
        limits=LIMITS,
    )
    saved = save_model(models, network.cpu(), card)
    checkpoint.unlink(missing_ok=True)
    return PretrainedEncoder(saved, course.losses, course.seconds)


def check_pretraining(architecture: Architecture, recipe: PretrainingRecipe) -> None:
    """Refuse what cannot work before any scan is prepared.

    Raises:
        SettingsError: a patch that the network cannot take, or a pretext that it does not offer.
    """
    if architecture.kind == "unetr" and (recipe.rotation or recipe.contrastive):
        raise SettingsError(UNETR_ALONE)
    if architecture.kind == "unetr" and architecture.patch != recipe.patch:
        raise SettingsError(
            f"This UNETR takes patches of {architecture.patch} voxels, not of {recipe.patch}."
        )
    if recipe.patch % architecture.multiple or recipe.patch < 2 * architecture.multiple:
        raise SettingsError(
            f"The patch must be a multiple of {architecture.multiple} voxels, and at least twice that."
        )


class _SeededSource:
    """Patches, and for each step its own source of chance for what is hidden."""

    def __init__(self, source: Source, seed: int) -> None:
        self.examples = source.examples
        self._source, self._seed = source, seed

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~MSLesionSegLib.training.loop.loop.Source`."""
        torch.manual_seed(self._seed * 1_000_003 + step)
        return self._source.batch(step)


def _patches(recipe: PretrainingRecipe) -> TrainingRecipe:
    """Patches from anywhere in the brain, mildly varied."""
    return TrainingRecipe(
        steps=recipe.steps,
        batch=recipe.batch,
        patch=recipe.patch,
        lesion_share=0.0,
        focus_share=0.0,
        insertion=0.0,
        thick_slices=0.0,
        intensity=0.5,
        geometry=0.5,
        seed=recipe.seed,
    )
