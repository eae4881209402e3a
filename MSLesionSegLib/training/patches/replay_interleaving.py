"""Drawing patches in epochs over the cases, interleaved with those of the replay buffer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from MSLesionSegLib.training.examples.example import Example
from MSLesionSegLib.training.fine_tuning.recipes import FineTuningRecipe
from MSLesionSegLib.training.loop.distributed import ALONE, ProcessGroup
from MSLesionSegLib.training.patches.patches import PatchSource, near

_TRIES = 12
_OWN, _REPLAYED = 1, 2  # keep the two orders of drawing apart


class InterleavedSource(PatchSource):
    """Draws the batch of any step; the same step gives the same batch, whatever the number of processes.

    Every case gives ``recipe.patches`` patches per epoch, in an order that is new in every epoch. Of all patches the
    share ``recipe.replay_share`` comes from the buffer, evenly spread, whose examples take turns in the same way.

    Args:
        cases: current training cases.
        recipe: patch size, numbers and strengths.
        replay: examples of earlier sites; may be empty.
        group: processes that train together: patch n of a batch goes to process n modulo their number.
        device: see :class:`~MSLesionSegLib.training.patches.patches.PatchSource`.
    """

    def __init__(
        self,
        cases: Sequence[Example],
        recipe: FineTuningRecipe,
        replay: Sequence[Example] = (),
        group: ProcessGroup = ALONE,
        device: str = "cpu",
    ) -> None:
        super().__init__([*cases, *replay], recipe, device=device)
        self.recipe: FineTuningRecipe = recipe
        self.cases, self.replay, self.group = list(cases), list(replay), group
        self.share = recipe.replay_share if self.replay else 0.0

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """This process's part of a step's batch: images (N, C, p, p, p), labels (N, 1, p, p, p) in [0, 1]."""
        first = step * self.recipe.batch
        mine = range(first + self.group.rank, first + self.recipe.batch, self.group.size)
        return self.drawn_in_groups(self.numbered, mine)

    def numbered(self, numbers: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """These patches of the run, counted from 0: images (N, C, p, p, p) and labels (N, 1, p, p, p)."""
        rngs = [np.random.default_rng([self.recipe.seed, number]) for number in numbers]
        images, labels = self.patches([self.example(number) for number in numbers], rngs)
        if self.recipe.quarter_turns:
            both = torch.cat([images, labels], 1)
            both = torch.stack([_turned(one, rng) for one, rng in zip(both, rngs, strict=True)])
            images, labels = both[:, :-1], both[:, -1:]
        if not self.recipe.soft_labels:
            labels = (labels >= 0.5).float()
        return images, labels

    def example(self, number: int) -> Example:
        """The example that patch ``number`` comes from."""
        replayed_before = math.floor(number * self.share)
        if math.floor((number + 1) * self.share) > replayed_before:
            return self._in_turn(self.replay, replayed_before, 1, _REPLAYED)
        return self._in_turn(self.cases, number - replayed_before, self.recipe.patches, _OWN)

    def _in_turn(self, examples: list[Example], number: int, times: int, kind: int) -> Example:
        epoch, place = divmod(number, len(examples) * times)
        order = np.random.default_rng([self.recipe.seed, kind, epoch]).permutation(len(examples) * times)
        return examples[order[place] % len(examples)]

    def centre(self, example: Example, label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        recipe = self.recipe
        wanted, lesion = rng.random(2)
        if wanted < recipe.correction_share and len(example.array("focus_index")):
            places = example.array("focus_index")
        elif lesion < recipe.lesion_share and len(example.array("lesion_index")):
            places = example.array("lesion_index")
        else:
            return self._elsewhere(example, label, rng)
        return near(places[rng.integers(len(places))], label.shape, recipe.patch, rng)

    def _elsewhere(self, example: Example, label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Anywhere in the brain; with ``exclusive`` where the patch holds no lesion, or as little as was found."""
        places = example.array("brain_index")
        tried: list[tuple[int, np.ndarray]] = []
        for _ in range(_TRIES if self.recipe.exclusive else 1):
            centre = near(places[rng.integers(len(places))], label.shape, self.recipe.patch, rng)
            half = self.recipe.patch // 2
            box = tuple(slice(max(c - half, 0), max(c + half, 0)) for c in centre)
            lesion = int(np.count_nonzero(label[box] > 127))
            tried.append((lesion, centre))
            if lesion == 0:
                break
        return min(tried, key=lambda one: one[0])[1]


def _turned(stack: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    for axes in ((1, 2), (1, 3), (2, 3)):
        stack = torch.rot90(stack, int(rng.integers(4)), axes)
    return stack
