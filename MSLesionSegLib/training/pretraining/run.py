"""Pre-training on scans without masks ("Pretrain once and finetune many times"): the encoder of a base model."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from MSLesionSegLib.errors import Cancelled, SettingsError
from MSLesionSegLib.files.atomic import atomic_file
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import save_model
from MSLesionSegLib.network.precision import trains_in_bfloat16
from MSLesionSegLib.training.examples.example import Example, fingerprint
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.loop.stopwatch import Stopwatch
from MSLesionSegLib.training.patches.patches import PatchSource
from MSLesionSegLib.training.pretraining.pretext import UNETR_ALONE, build_pretext

CHECKPOINT_SECONDS = 60
LIMITS = "Its encoder has seen scans, its decoder has learned nothing: it finds no lesions before it is fine-tuned."


@dataclass(frozen=True)
class PretrainingRecipe:
    """All that decides a pre-training, besides the scans and the network.

    Attributes:
        steps, batch, patch: length, patches per step, edge of the cubic patches in voxels.
        masked: share of the blocks (UNETR) or cubes that are hidden.
        cube: edge of the hidden cubes in voxels; a UNETR hides its own blocks of 16.
        rotation, contrastive: see :class:`~MSLesionSegLib.training.pretraining.pretext.Inpainting`.
        learning_rate, weight_decay: of AdamW; constant rate.
        seed: source of chance; step k draws from (seed, k) alone.
    """

    steps: int = 600
    batch: int = 2
    patch: int = 64
    masked: float = 0.6
    cube: int = 8
    rotation: bool = False
    contrastive: bool = False
    learning_rate: float = 5e-4
    weight_decay: float = 1e-5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.patch < 16 or self.cube < 1 or not 0 < self.masked < 1:
            raise SettingsError(
                "Pre-training needs at least 1 step, 1 patch per step, a patch of 16 voxels, cubes of 1 voxel and a "
                "masked share between 0 and 1."
            )
        if self.contrastive and self.batch < 2:
            raise SettingsError("Contrastive coding needs at least 2 patches per step.")

    def but(self, **changes: Any) -> PretrainingRecipe:
        """A copy with other values; unknown names are refused with the list of known ones."""
        known = {field.name for field in fields(self)}
        unknown = set(changes) - known
        if unknown:
            raise SettingsError(
                f"A pre-training has no {', '.join(sorted(unknown))}. It has: {', '.join(sorted(known))}."
            )
        return replace(self, **changes)


@dataclass(frozen=True)
class Pretrained:
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
class Preset:
    """A network with the pre-training that suits it."""

    architecture: Architecture
    recipe: PretrainingRecipe


# "paper" presets: sizes and rates of the paper, for a GPU; intensities stay z-scores, as fine-tuning will see them
PRESETS = {
    "unet": Preset(Architecture(base=16, thin=2), PretrainingRecipe()),
    "unetr": Preset(
        Architecture(kind="unetr", base=8, patch=64, hidden=96, heads=6), PretrainingRecipe(masked=0.75)
    ),
    "swinunetr": Preset(Architecture(kind="swinunetr", base=12), PretrainingRecipe(steps=400)),
    "unetr-paper": Preset(
        Architecture(kind="unetr", base=16, patch=160),
        PretrainingRecipe(steps=400_000, batch=3, patch=160, masked=0.75, learning_rate=1e-4),
    ),
    "swinunetr-paper": Preset(
        Architecture(kind="swinunetr", base=48),
        PretrainingRecipe(
            steps=120_000, batch=3, patch=96, cube=16, rotation=True, contrastive=True, learning_rate=1e-4
        ),
    ),
}


def get_preset(name: str) -> Preset:
    """A preset by its name.

    Raises:
        SettingsError: no such preset.
    """
    if name not in PRESETS:
        raise SettingsError(f"There is no preset '{name}'. Presets: {', '.join(PRESETS)}.")
    return PRESETS[name]


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
) -> Pretrained:
    """Pre-train an encoder and store it, with a fresh decoder, as a base model to fine-tune.

    Args:
        name: of the model.
        architecture: of the network; a UNETR is bound to ``recipe.patch``.
        recipe: length, masking and rates.
        examples: prepared scans; their labels are not looked at.
        models: folder of the model store.
        checkpoint: written about every minute; a stopped run of the same settings goes on from it.

    Raises:
        SettingsError: a patch that the network cannot take, no scans, or a loss that is no number any more.
    """
    progress = progress or Silent()
    check_pretraining(architecture, recipe)
    if not examples:
        raise SettingsError("There are no scans to pre-train on.")
    torch.manual_seed(recipe.seed)
    network = build(architecture)
    losses, seconds = _train(network, architecture, recipe, examples, checkpoint, device, progress)
    card = ModelCard(
        name=name,
        task="flair",
        architecture=architecture,
        channels=("FLAIR",),
        recipe={"pretext": "masked", **asdict(recipe)},
        training={"examples": len(examples), "fingerprint": fingerprint(examples)},
        results={"reconstruction_loss": round(float(np.mean(losses[-50:])), 4), "seconds": round(seconds)},
        description="Encoder pre-trained on scans without masks; a base model for fine-tuning.",
        limits=LIMITS,
    )
    saved = save_model(models, network.cpu(), card)
    checkpoint.unlink(missing_ok=True)
    return Pretrained(saved, losses, seconds)


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


def _train(
    network: torch.nn.Module,
    architecture: Architecture,
    recipe: PretrainingRecipe,
    examples: Sequence[Example],
    checkpoint: Path,
    device: str,
    progress: Progress,
) -> tuple[list[float], float]:
    """Train the encoder in place; returns the reconstruction loss of every step, and the seconds of all."""
    settings = {name: getattr(recipe, name) for name in ("masked", "cube", "rotation", "contrastive")}
    pretext = build_pretext(network, architecture, **settings).to(device).train()
    optimiser = torch.optim.AdamW(
        pretext.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    source = PatchSource(examples, _patches(recipe))
    key = hashlib.sha256(
        json.dumps([asdict(architecture), asdict(recipe), fingerprint(examples)]).encode()
    ).hexdigest()
    first, losses, before = _resume(checkpoint, key, pretext, optimiser, device, progress)
    clock, saved = Stopwatch(before), time.monotonic()
    step, fast = first, trains_in_bfloat16(pretext, source.batch(first)[0].to(device), device)
    try:
        while step < recipe.steps:
            progress.stage("training", step / recipe.steps)
            torch.manual_seed(recipe.seed * 1_000_003 + step)  # what is hidden depends on the step alone
            image = source.batch(step)[0].to(device)
            with torch.autocast(device, torch.bfloat16, enabled=fast):
                parts = pretext(image)
            optimiser.zero_grad(set_to_none=True)
            sum(parts.values()).backward()
            torch.nn.utils.clip_grad_norm_(pretext.parameters(), 5.0)
            optimiser.step()
            losses.append(float(parts["reconstruction"].detach()))
            if not math.isfinite(losses[-1]):
                raise SettingsError(
                    f"The pre-training diverged at step {step + 1}: the loss is not a number. Lower the "
                    f"recipe's learning_rate (now {recipe.learning_rate:g})."
                )
            step += 1
            if time.monotonic() - saved > CHECKPOINT_SECONDS or step == recipe.steps:
                _save(checkpoint, key, pretext, optimiser, step, losses, clock.seconds)
                saved = time.monotonic()
            if step % 50 == 0:
                progress.metric("loss", float(np.mean(losses[-50:])), step=step)
    except Cancelled:
        _save(checkpoint, key, pretext, optimiser, step, losses, clock.seconds)
        raise
    progress.stage("training", 1.0)
    network.eval()
    return losses, clock.seconds


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


def _resume(
    path: Path, key: str, pretext, optimiser, device: str, progress: Progress
) -> tuple[int, list[float], float]:
    if not path.exists():
        return 0, [], 0.0
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception:  # damaged bytes make the unpickler raise errors of any kind
        state = {}
    if state.get("key") != key:
        progress.warning(
            "other-checkpoint",
            f"{path} is damaged or belongs to another run: pre-training starts from the beginning.",
        )
        return 0, [], 0.0
    pretext.load_state_dict(state["pretext"])
    optimiser.load_state_dict(state["optimiser"])
    return state["step"], state["losses"], state["seconds"]


def _save(path: Path, key: str, pretext, optimiser, step: int, losses: list[float], seconds: float) -> None:
    state = {"key": key, "pretext": pretext.state_dict(), "optimiser": optimiser.state_dict()}
    with atomic_file(path) as partial:
        torch.save({**state, "step": step, "losses": losses, "seconds": seconds}, partial)
