"""Probability of lesion in every voxel: sliding window over the brain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from MSLesionSegLib.errors import ModelError
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.lesions.components import bounding_box
from MSLesionSegLib.network.activation import activate, normalise
from MSLesionSegLib.network.models.store import Model
from MSLesionSegLib.network.number_format import has_fast_bfloat16

if TYPE_CHECKING:
    import torch

OVERLAP = 0.25
MARGIN = 4  # voxels of surround kept around the brain
MOST_AT_ONCE = 4  # windows; each needs about a quarter of a GiB
MIRROR_AXES = ((), (1, 2), (1, 3), (2, 3))  # axes to mirror: half a turn about each axis


@dataclass(frozen=True)
class Prediction:
    """Result of a network on one brain, float32 (X, Y, Z).

    Attributes:
        probability: in [0, 1], 0 outside the brain.
        uncertainty: standard deviation of the probability over mirrored inputs, or None.
    """

    probability: np.ndarray
    uncertainty: np.ndarray | None = None


def predict(
    model: Model,
    channels: np.ndarray,
    brain: np.ndarray,
    *,
    device: str = "cpu",
    mirroring: bool = False,
    progress: Progress | None = None,
) -> Prediction:
    """Run a model over one brain.

    Args:
        model: a model with one output map.
        channels: normalised input, float32 (C, X, Y, Z), on the model's grid.
        brain: brain mask (X, Y, Z); windows without brain are skipped.
        device: ``cpu`` or ``cuda``.
        mirroring: average over the input as it is and mirrored along each two of its axes (test-time augmentation);
            takes four times as long and gives the uncertainty. All eight gain 0.003 of Dice
            (model_development/tried.md).
        progress: told the fraction.

    Returns:
        The prediction on the grid of ``channels``. The network computes in bfloat16 where the machine has it.

    Raises:
        ModelError: the network gives values that are no numbers; they would pass for a brain without lesions.
    """
    import torch

    progress = progress or Silent()
    card, look = model.card, _looker(model, device)
    box = bounding_box(brain, MARGIN) or (slice(None),) * 3
    data = torch.from_numpy(np.ascontiguousarray(channels[(slice(None), *box)], dtype=np.float32)).to(device)
    inside = brain[box] > 0
    mirrorings = MIRROR_AXES if mirroring else MIRROR_AXES[:1]
    total, squares = np.zeros(inside.shape, np.float32), np.zeros(inside.shape, np.float32)
    with torch.inference_mode(), _windows_at_once(device) as pool:
        for k, axes in enumerate(mirrorings):
            mirrored = torch.flip(data, axes) if axes else data
            mask = np.flip(inside, [axis - 1 for axis in axes]) if axes else inside
            tell = partial(_tell, progress, k, len(mirrorings))
            slid = _slide(look, card.architecture.window, mirrored, mask, pool, tell)
            one = normalise(slid, card.activation, (0, 1, 2))
            seen = (torch.flip(one, [axis - 1 for axis in axes]) if axes else one).numpy()
            total += seen
            squares += seen * seen
    mean = total / len(mirrorings) * inside
    if not np.isfinite(mean).all():
        raise ModelError(
            f"The network of model {card.name} gives values that are not finite (NaN or infinite) on this scan, "
            "so nothing is counted. Use another model."
        )
    probability = np.zeros(brain.shape, np.float32)
    probability[box] = mean
    uncertainty = None
    if mirroring:
        uncertainty = np.zeros(brain.shape, np.float32)
        uncertainty[box] = np.sqrt(np.clip(squares / len(mirrorings) - mean**2, 0, None)) * inside
    progress.stage("network", 1.0)
    return Prediction(probability, uncertainty)


@contextmanager
def _windows_at_once(device: str) -> Iterator[Executor]:
    """Workers that look at windows side by side: two cores are faster on a window each than both on one."""
    import torch

    threads = torch.get_num_threads()
    workers = min(threads, MOST_AT_ONCE) if device == "cpu" else 1
    with ThreadPoolExecutor(workers, "window", torch.set_num_threads, (threads // workers,)) as pool:
        try:
            yield pool
        finally:
            torch.set_num_threads(threads)


def _tell(progress: Progress, turn: int, turns: int, fraction: float) -> None:
    progress.stage("network", (turn + fraction) / turns)


def _looker(model: Model, device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network as a function of one cube (C, W, W, W) that gives its probabilities (W, W, W)."""
    import torch

    network = model.network.to(device, memory_format=torch.channels_last_3d)
    fast = device != "cpu" or has_fast_bfloat16()

    def look(cube: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=fast):
            logits = network(cube[None].to(memory_format=torch.channels_last_3d))
        return activate(logits[0, 0].float(), model.card.activation)

    return look


def _slide(
    look: Callable[[torch.Tensor], torch.Tensor],
    window: int,
    data: torch.Tensor,
    inside: np.ndarray,
    pool: Executor,
    tell: Callable[[float], None],
) -> torch.Tensor:
    """Gaussian-weighted mean of what is seen in cubes of an edge ``window``, a CPU tensor (X, Y, Z).

    A normalised ReLU is divided by its maximum over the whole brain afterwards: by that over each cube, the faintest
    speck in a cube without lesions would become certain.
    """
    import torch
    from monai.data.utils import compute_importance_map, dense_patch_slices

    shape = data.shape[1:]
    padded = torch.nn.functional.pad(data, [v for n in reversed(shape) for v in (0, max(window - n, 0))])
    size = tuple(padded.shape[1:])
    cube, step = (window,) * 3, (round(window * (1 - OVERLAP)),) * 3
    weight = compute_importance_map(cube, mode="gaussian", sigma_scale=0.2, device=data.device).clamp(
        min=1e-3
    )
    total, share = torch.zeros(size, device=data.device), torch.zeros(size, device=data.device)
    places = [
        place
        for place in dense_patch_slices(size, cube, step)
        if inside[tuple(slice(p.start, p.stop) for p in place)].any()
    ]
    looks = [pool.submit(look, padded[(slice(None), *place)]) for place in places]
    try:
        for n, (place, one) in enumerate(zip(places, looks, strict=True)):
            tell(n / len(places))
            total[place] += one.result() * weight
            share[place] += weight
    finally:
        for one in looks:
            one.cancel()
    mean = total / share.clamp(min=1e-6)
    return mean[tuple(slice(n) for n in shape)].cpu()
