"""How long a training takes and how much memory it needs, before it begins."""

from __future__ import annotations

import copy
import time

import torch

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.device import free_card_bytes
from MSLesionSegLib.training.fine_tuning.recipes import FineTuningRecipe
from MSLesionSegLib.training.loop.loop import Source, train_network
from MSLesionSegLib.training.patches.drawing_ahead import drawn_ahead

FEWEST_STEPS = 20
_WARM, _TIMED = 2, 4
_RESERVE = 0.95  # other programs want their share of the time as well

# bytes per voxel of a patch and feature map at full resolution, forward and backward; the coarser levels add to it
_ACTIVATION_BYTES = 48
_WEIGHT_BYTES = 16  # weight, gradient and two moments in float32
_PROGRAM_GIB = 0.9

# batch and patch that a recipe may choose between, most wanted first; a CPU has no time for large ones
_SIZES = {"cpu": ((2, 64), (1, 64), (1, 48)), "cuda": ((8, 96), (4, 96), (2, 96), (2, 64))}


def seconds_per_step(
    network: torch.nn.Module, source: Source, recipe: FineTuningRecipe, device: str
) -> float:
    """Measure a few steps on a copy of the network."""
    trial = copy.deepcopy(network)
    with drawn_ahead(source, device) as batches:
        train_network(trial, batches, recipe.but(steps=_WARM), device=device)
        begin = time.monotonic()
        train_network(trial, batches, recipe.but(steps=_TIMED), device=device)
    return (time.monotonic() - begin) / _TIMED


def steps_in(seconds: float, per_step: float) -> int:
    """Steps that fit into so many seconds; never below 20, which is the least that can change anything."""
    return max(FEWEST_STEPS, int(seconds * _RESERVE / per_step))


def memory_needed_gib(architecture: Architecture, recipe: FineTuningRecipe, weights: int) -> float:
    """Rough peak memory of full tuning in GiB, measured on U-Nets and scaled by the volume of a batch.

    Args:
        architecture: of the network.
        recipe: batch and patch.
        weights: number of weights.
    """
    maps = architecture.feature_maps / (
        architecture.full_resolution_divisor if architecture.kind == "unet" else 0.5
    )
    voxels = recipe.batch * recipe.patch**3
    return _PROGRAM_GIB + (voxels * maps * _ACTIVATION_BYTES + weights * _WEIGHT_BYTES) / 2**30


def check_memory(architecture: Architecture, recipe: FineTuningRecipe, weights: int, device: str) -> None:
    """Refuse a training that cannot fit.

    Raises:
        SettingsError: with what to change.
    """
    needed, free = memory_needed_gib(architecture, recipe, weights), free_memory_gib(device)
    if needed > free:
        raise SettingsError(
            f"This training needs about {needed:.1f} GiB of memory and {free:.1f} GiB are free. Close other "
            f"programs, or lower the recipe's batch (now {recipe.batch}) or patch (now {recipe.patch})."
        )


def check_patch(recipe: FineTuningRecipe, architecture: Architecture) -> None:
    """Refuse a patch that the network cannot take.

    Raises:
        SettingsError: with the nearest edges that it can.
    """
    if not recipe.adapt:
        refuse_patch(recipe.patch, architecture)


def refuse_patch(patch: int, architecture: Architecture) -> None:
    """Refuse an edge of patches that the network cannot take.

    Raises:
        SettingsError: with the nearest edges that it can.
    """
    if _takes(architecture, patch):
        return
    step = architecture.multiple
    lower = max(patch // step, 2) * step
    offer = f"{architecture.patch}" if architecture.kind == "unetr" else f"{lower} or {lower + step}"
    raise SettingsError(f"The network cannot take the recipe's patch of {patch} voxels: take {offer}.")


def _takes(architecture: Architecture, patch: int) -> bool:
    if architecture.kind == "unetr":
        return patch == architecture.patch
    return patch % architecture.multiple == 0 and patch >= 2 * architecture.multiple


def fit_sizes(
    recipe: FineTuningRecipe, architecture: Architecture, weights: int, device: str
) -> FineTuningRecipe:
    """Batch and patch for a recipe that adapts to the computer: the largest that fit into four fifths of memory.

    The smallest pair that the network takes is the choice where none fits; other recipes are returned as they are.
    """
    if not recipe.adapt:
        return recipe
    free = 0.8 * free_memory_gib(device)
    pairs = [pair for pair in _SIZES[device] if _takes(architecture, pair[1])] or [(1, architecture.patch)]
    sized = [recipe.but(batch=batch, patch=patch) for batch, patch in pairs]
    return next((one for one in sized if memory_needed_gib(architecture, one, weights) <= free), sized[-1])


def free_memory_gib(device: str) -> float:
    """Memory that a new program could use."""
    if device == "cuda":
        return free_card_bytes() / 2**30
    import psutil

    return psutil.virtual_memory().available / 2**30
