"""Probability of lesion in every voxel: sliding window over the brain."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from MSLesionSegLib.network.store import Model
from MSLesionSegLib.progress import Progress, Silent

WINDOW = 96
OVERLAP = 0.25
MARGIN = 4  # voxels of surround kept around the brain


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
    flips: bool = False,
    progress: Progress | None = None,
) -> Prediction:
    """Run a model over one brain.

    Args:
        model: a model with one output map.
        channels: normalised input, float32 (C, X, Y, Z), on the model's grid.
        brain: brain mask (X, Y, Z); windows without brain are skipped.
        device: ``cpu`` or ``cuda``.
        flips: average over all eight mirrorings (test-time augmentation); takes eight times as long and gives the
            uncertainty.
        progress: told the fraction.

    Returns:
        The prediction on the grid of ``channels``. The network computes in bfloat16 where the machine has it.
    """
    import torch

    progress = progress or Silent()
    network = model.network.to(device)
    box = _box(brain)
    data = torch.from_numpy(np.ascontiguousarray(channels[(slice(None), *box)], dtype=np.float32)).to(device)
    inside = brain[box] > 0
    mirrorings = [axes for n in range(4 if flips else 1) for axes in combinations((1, 2, 3), n)]
    total, squares = np.zeros(inside.shape, np.float32), np.zeros(inside.shape, np.float32)
    with torch.inference_mode():
        for k, axes in enumerate(mirrorings):
            mirrored = torch.flip(data, axes) if axes else data
            mask = np.flip(inside, [axis - 1 for axis in axes]) if axes else inside
            one = _windows(network, mirrored, mask, device, progress, k, len(mirrorings))
            one = torch.flip(one, [axis - 1 for axis in axes]).numpy() if axes else one.numpy()
            total += one
            squares += one * one
    mean = total / len(mirrorings) * inside
    probability = np.zeros(brain.shape, np.float32)
    probability[box] = mean
    uncertainty = None
    if flips:
        uncertainty = np.zeros(brain.shape, np.float32)
        uncertainty[box] = np.sqrt(np.clip(squares / len(mirrorings) - mean**2, 0, None)) * inside
    progress.stage("network", 1.0)
    return Prediction(probability, uncertainty)


def _windows(network, data, inside, device, progress, run, runs):
    """Gaussian-weighted mean of the windows' probabilities, a CPU tensor (X, Y, Z)."""
    import torch
    from monai.data.utils import compute_importance_map, dense_patch_slices

    shape = data.shape[1:]
    padded = torch.nn.functional.pad(data, [v for n in reversed(shape) for v in (0, max(WINDOW - n, 0))])
    size = tuple(padded.shape[1:])
    step = (round(WINDOW * (1 - OVERLAP)),) * 3
    weight = compute_importance_map((WINDOW,) * 3, mode="gaussian", sigma_scale=0.2, device=device).clamp(
        min=1e-3
    )
    total = torch.zeros(size, device=device)
    share = torch.zeros(size, device=device)
    places = [
        place
        for place in dense_patch_slices(size, (WINDOW,) * 3, step)
        if inside[tuple(slice(p.start, p.stop) for p in place)].any()
    ]
    for n, place in enumerate(places):
        progress.stage("network", (run + n / len(places)) / runs)
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu" or has_fast_bfloat16()):
            logits = network(padded[(slice(None), *place)][None])
        total[place] += torch.sigmoid(logits[0, 0].float()) * weight
        share[place] += weight
    mean = total / share.clamp(min=1e-6)
    return mean[tuple(slice(n) for n in shape)].cpu()


def has_fast_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively; emulation would be slower than float32."""
    import torch

    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    amx = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool((check and check()) or (amx and amx()))


def _box(brain: np.ndarray) -> tuple[slice, slice, slice]:
    """Smallest box around the brain plus a margin."""
    found = []
    for axis in range(3):
        used = np.flatnonzero(brain.any(axis=tuple(a for a in range(3) if a != axis)))
        first, last = (used[0], used[-1]) if len(used) else (0, brain.shape[axis] - 1)
        found.append(slice(max(int(first) - MARGIN, 0), min(int(last) + MARGIN + 1, brain.shape[axis])))
    return tuple(found)
