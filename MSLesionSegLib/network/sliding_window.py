"""Probability of lesion in every voxel: sliding window over the brain."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from MSLesionSegLib.errors import ModelError
from MSLesionSegLib.jobs.job import out_of_memory
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.lesions.components import bounding_box
from MSLesionSegLib.network.activation import activate, normalise
from MSLesionSegLib.network.device import free_card_bytes
from MSLesionSegLib.network.models.store import Model
from MSLesionSegLib.network.number_format import computes_in_bfloat16

if TYPE_CHECKING:
    import torch

OVERLAP = 0.25
MARGIN = 4  # voxels of surround kept around the brain
MOST_AT_ONCE = 4  # windows on a CPU; each needs about a quarter of a GiB
MOST_IN_A_BATCH = 32  # windows on a GPU
_BATCH_BYTES = 2**29  # that a GPU should have free for each of these
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


Window = tuple[slice, ...]


def predict(
    model: Model,
    channels: np.ndarray,
    brain: np.ndarray,
    *,
    device: str = "cpu",
    mirroring: bool = False,
    progress: Progress | None = None,
    batch: int | None = None,
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
        batch: most windows that the network sees in one go; by default one on a CPU, and what fits on a GPU. Where
            the memory does not hold them, it sees fewer.

    Returns:
        The prediction on the grid of ``channels``. The network computes in bfloat16 where the machine has it.

    Raises:
        ModelError: the network gives values that are no numbers; they would pass for a brain without lesions.
    """
    import torch
    from monai.data.utils import compute_importance_map

    progress = progress or Silent()
    card, look = model.card, _looker(model, device)
    box = bounding_box(brain, MARGIN) or (slice(None),) * 3
    data = torch.from_numpy(np.ascontiguousarray(channels[(slice(None), *box)], dtype=np.float32)).to(device)
    inside = brain[box] > 0
    mirrorings = MIRROR_AXES if mirroring else MIRROR_AXES[:1]
    importance = compute_importance_map((card.architecture.window,) * 3, mode="gaussian", sigma_scale=0.2)
    weight = importance.to(device)
    with torch.inference_mode(), _windows_at_once(device) as pool:
        views = [_view(data, inside, axes, card.architecture.window) for axes in mirrorings]
        seen = _seen(look, views, pool, batch or _windows_in_a_batch(device), progress)
        sums = torch.zeros(2, *inside.shape, device=device)  # of the probability and its square
        with closing(seen):
            for view, axes in zip(views, mirrorings, strict=True):
                mean = view.mean(seen, weight)[tuple(slice(n) for n in inside.shape)]
                one = torch.flip(normalise(mean, card.activation, (0, 1, 2)), [axis - 1 for axis in axes])
                sums[0].add_(one)
                sums[1].add_(one * one)
        sums /= len(views)
        sums[1].sub_(sums[0] ** 2).clamp_(min=0)
        mean, variance = sums.cpu().numpy() * inside
    if not np.isfinite(mean).all():
        raise ModelError(
            f"The network of model {card.name} gives values that are not finite (NaN or infinite) on this scan, "
            "so nothing is counted. Use another model."
        )
    probability, uncertainty = np.zeros((2, *brain.shape), np.float32)
    probability[box], uncertainty[box] = mean, np.sqrt(variance)
    progress.stage("network", 1.0)
    return Prediction(probability, uncertainty if mirroring else None)


@dataclass(frozen=True, eq=False)
class _View:
    """The input, mirrored, and the windows that hold brain.

    Attributes:
        data: (C, X, Y, Z), at least a window large.
        windows: where they lie.
    """

    data: torch.Tensor
    windows: list[Window]

    def mean(self, seen: Iterator[torch.Tensor], weight: torch.Tensor) -> torch.Tensor:
        """Weighted mean (X, Y, Z) of what the network says of each window, which ``seen`` gives in order.

        A normalised ReLU is divided by its maximum over the whole brain afterwards: by that over each window, the
        faintest speck in one without lesions would become certain.
        """
        import torch

        total, share = torch.zeros(2, *self.data.shape[1:], device=self.data.device)
        for window in self.windows:
            total[window].add_(next(seen) * weight)
            share[window].add_(weight)
        return total / share.clamp(min=1e-6)


def _view(data: torch.Tensor, inside: np.ndarray, axes: tuple[int, ...], edge: int) -> _View:
    """The input mirrored along some of its axes."""
    import torch
    from monai.data.utils import dense_patch_slices

    mask = np.flip(inside, [axis - 1 for axis in axes])
    short = [v for n in reversed(inside.shape) for v in (0, max(edge - n, 0))]
    padded = torch.nn.functional.pad(torch.flip(data, axes), short)
    windows = dense_patch_slices(padded.shape[1:], (edge,) * 3, (round(edge * (1 - OVERLAP)),) * 3)
    return _View(padded, [window for window in windows if mask[window].any()])


def _seen(
    look: Callable[[torch.Tensor], torch.Tensor],
    views: list[_View],
    pool: Executor,
    most: int,
    progress: Progress,
) -> Generator[torch.Tensor, None, None]:
    """What the network says of each window (W, W, W), view by view, at most so many of them in one go."""
    import torch

    places = [(view.data, window) for view in views for window in view.windows]
    size = (
        math.ceil(len(places) / math.ceil(len(places) / most)) if places else 1
    )  # batches of about one size
    starts = range(0, len(places), size)

    def look_at(start: int) -> torch.Tensor:
        with torch.inference_mode():
            return look(torch.stack([data[(slice(None), *w)] for data, w in places[start : start + size]]))

    looks = [pool.submit(look_at, start) for start in starts]
    try:
        for start, ones in zip(starts, looks, strict=True):
            progress.stage("network", start / len(places))
            yield from ones.result()
    finally:
        for ones in looks:
            ones.cancel()


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


def _windows_in_a_batch(device: str) -> int:
    if device == "cpu":
        return 1
    return max(1, min(MOST_IN_A_BATCH, free_card_bytes() // _BATCH_BYTES))


def _looker(model: Model, device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network as a function of windows (N, C, W, W, W) that gives their probabilities (N, W, W, W).

    Where the memory does not hold them all, it looks at each half of them alone.
    """
    import torch

    network = model.network.to(device, memory_format=torch.channels_last_3d)
    fast = computes_in_bfloat16(device)

    def look(windows: torch.Tensor) -> torch.Tensor:
        try:
            with torch.autocast(device, torch.bfloat16, enabled=fast):
                logits = network(windows.to(memory_format=torch.channels_last_3d))
            return activate(logits[:, 0].float(), model.card.activation)
        except RuntimeError as error:
            # cuDNN finds no engine where it has no room to try one
            if len(windows) == 1 or not (out_of_memory(error) or "find an engine" in str(error)):
                raise
        # only here has the failed try let its memory go
        return torch.cat([look(half) for half in windows.chunk(2)])

    return look
