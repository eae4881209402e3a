"""The training loop: streams patches, saves checkpoints, resumes to the same result."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from MSLesionSegLib.network.precision import has_fast_bfloat16
from MSLesionSegLib.progress import Progress, Silent
from MSLesionSegLib.training.examples import fingerprint
from MSLesionSegLib.training.patches import PatchSource
from MSLesionSegLib.training.recipe import TrainingRecipe

CHECKPOINT_SECONDS = 60


def train_network(
    network: torch.nn.Module,
    source: PatchSource,
    recipe: TrainingRecipe,
    *,
    checkpoint: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> torch.nn.Module:
    """Train all weights of a network in place with Dice + binary cross-entropy and AdamW.

    Args:
        network: maps (N, C, X, Y, Z) to one logit map (N, 1, X, Y, Z).
        source: draws the batches.
        recipe: length and rates.
        checkpoint: file that is written about every minute (atomically) and continued from when it belongs to this
            very run: the same recipe, cases and starting weights. One of another run is replaced, with a warning.
        device: ``cpu`` or ``cuda``.
        progress: told the step and the mean loss.

    Returns:
        The network, in evaluation mode. A resumed run equals an unbroken one bit for bit on the same CPU as long as
        the deepest level keeps four or more voxels per edge; below that oneDNN's bfloat16 gradient is not repeatable.
    """
    progress = progress or Silent()
    # thin layers at full resolution are almost twice as fast with the channels last
    network.to(device, memory_format=torch.channels_last_3d).train()
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    first, losses = 0, []
    key = _run_key(network, source, recipe)
    state = _read(checkpoint, key, device, progress)
    if state is not None:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        first, losses = state["step"], state["losses"]
    saved = time.monotonic()
    for step in range(first, recipe.steps):
        progress.stage("training", step / recipe.steps)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(recipe, step)
        image, label = source.batch(step)
        image = image.to(device, memory_format=torch.channels_last_3d)
        label = label.to(device)
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu" or has_fast_bfloat16()):
            logits = network(image)
        loss = dice_cross_entropy(logits.float(), label)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        if (step + 1) % 50 == 0:
            progress.metric("loss", float(np.mean(losses[-50:])), step=step + 1)
        if checkpoint is not None and time.monotonic() - saved > CHECKPOINT_SECONDS:
            _save(checkpoint, key, network, optimiser, step + 1, losses)
            saved = time.monotonic()
    if checkpoint is not None:
        _save(checkpoint, key, network, optimiser, recipe.steps, losses)
    progress.stage("training", 1.0)
    return network.eval()


def learning_rate(recipe: TrainingRecipe, step: int) -> float:
    """Linear warm-up, then a half cosine down to 0."""
    if step < recipe.warm_up:
        return recipe.learning_rate * (step + 1) / recipe.warm_up
    rest = (step - recipe.warm_up) / max(recipe.steps - recipe.warm_up, 1)
    return recipe.learning_rate * 0.5 * (1 + float(np.cos(np.pi * rest)))


def dice_cross_entropy(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Soft Dice over the whole batch plus binary cross-entropy; labels may be soft."""
    probability = torch.sigmoid(logits)
    overlap = (probability * label).sum()
    dice = (2 * overlap + 1) / (probability.sum() + label.sum() + 1)
    return 1 - dice + F.binary_cross_entropy_with_logits(logits, label)


def _run_key(network: torch.nn.Module, source: PatchSource, recipe: TrainingRecipe) -> str:
    """What tells one training run from another: recipe, cases and starting weights."""
    digest = hashlib.sha256(json.dumps(recipe.as_dict(), sort_keys=True).encode())
    digest.update(fingerprint(source.examples).encode())
    for parameter in network.parameters():
        digest.update(parameter.detach().cpu().contiguous().numpy())
    return digest.hexdigest()


def _read(path: Path | None, key: str, device: str, progress: Progress) -> dict[str, Any] | None:
    if path is None or not path.exists():
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception:  # damaged bytes make the unpickler raise errors of any kind
        state = {}
    if state.get("key") == key:
        return state
    progress.warning(
        "other-checkpoint",
        f"{path} is damaged or belongs to another run (other cases, recipe or starting weights): training "
        "starts from the beginning.",
    )
    return None


def _save(path: Path, key: str, network, optimiser, step: int, losses: list[float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    state = {
        "key": key,
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
        "losses": losses,
    }
    torch.save(state, partial)
    os.replace(partial, path)
