"""Features of the frozen layers, computed once per patch and kept on disk while only late layers are tuned."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch

from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.files.atomic import atomic_file
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.number_format import computes_in_bfloat16
from MSLesionSegLib.training.loop.stages import FROZEN
from MSLesionSegLib.training.patches.replay_interleaving import InterleavedSource


class FeatureSource:
    """Draws batches from a pool of patches whose frozen features lie in files, one per patch.

    The pool holds the first patches of an :class:`InterleavedSource`, in the same mixture of cases and buffer, so
    augmentation is drawn once per patch of the pool instead of once per step.

    Args:
        source: where the patches come from.
        begin: frozen layers, from an image to a tuple of tensors.
        folder: for the files; those of a killed run are used again.
        size: patches in the pool.
        device: ``cpu`` or ``cuda``.
        progress: told the stage ``frozen layers``.

    Raises:
        OutputError: the disk has no room for the pool.
    """

    def __init__(
        self,
        source: InterleavedSource,
        begin: torch.nn.Module,
        folder: Path,
        size: int,
        device: str,
        progress: Progress,
    ) -> None:
        self.examples, self.recipe, self.group = source.examples, source.recipe, source.group
        self.folder, self.size = folder, size
        folder.mkdir(parents=True, exist_ok=True)
        begin.to(device, memory_format=torch.channels_last_3d).eval()
        fast = computes_in_bfloat16(device)
        for number in range(self.group.rank, size, self.group.size):
            progress.stage(FROZEN, number / size)
            if not self._file(number).exists():
                image, label = source.numbered([number])
                with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=fast):
                    features = begin(image.to(device, memory_format=torch.channels_last_3d))
                self._keep(number, [*features, label])
        self.group.barrier()

    def batch(self, step: int) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """Features (each (N, c, x, y, z)) and labels (N, 1, p, p, p) of a step; every patch once per round."""
        from safetensors.torch import load_file

        drawn = []
        for n in range(self.group.rank, self.recipe.batch, self.group.size):
            turn, place = divmod(step * self.recipe.batch + n, self.size)
            order = np.random.default_rng([self.recipe.seed, turn]).permutation(self.size)
            drawn.append(load_file(self._file(int(order[place]))))
        stacked = [torch.cat([one[f"{k:02d}"] for one in drawn]).float() for k in range(len(drawn[0]))]
        return tuple(stacked[:-1]), stacked[-1]

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:05d}.safetensors"

    def _keep(self, number: int, tensors: list[torch.Tensor]) -> None:
        from safetensors.torch import save_file

        size = sum(tensor.numel() * 2 for tensor in tensors)
        if size * (self.size - number) > shutil.disk_usage(self.folder).free:
            raise OutputError(
                f"The disk has no room for {self.size} patches of frozen features ({size * self.size / 2**30:.1f} "
                "GiB). Free some space, lower the recipe's cached_patches, or tune all layers."
            )
        halves = {f"{k:02d}": t.detach().cpu().contiguous().to(torch.float16) for k, t in enumerate(tensors)}
        with atomic_file(self._file(number)) as partial:
            save_file(halves, partial)
