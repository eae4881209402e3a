"""The learning rate and the optimiser of a recipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from MSLesionSegLib.training.loop.recipe import Recipe


def learning_rate(recipe: Recipe, step: int, losses: Sequence[float] = ()) -> float:
    """Rate of a step (from 0) by the recipe's schedule.

    Args:
        recipe: warm-up, length and schedule.
        step: number of steps made so far.
        losses: of those steps; only the schedule ``plateau`` looks at them.

    >>> from MSLesionSegLib.training.loop.recipe import TrainingRecipe
    >>> recipe = TrainingRecipe(steps=110, warm_up=10, learning_rate=0.5)  # cosine
    >>> [round(learning_rate(recipe, step), 3) for step in (0, 9, 60, 109)]
    [0.05, 0.5, 0.25, 0.0]
    """
    if step < recipe.warm_up:
        return recipe.learning_rate * (step + 1) / recipe.warm_up
    if recipe.schedule == "cosine":
        rest = (step - recipe.warm_up) / max(recipe.steps - recipe.warm_up, 1)
        return recipe.learning_rate * 0.5 * (1 + float(np.cos(np.pi * rest)))
    if recipe.schedule == "halving":
        return recipe.learning_rate * 0.5 ** (step * recipe.halvings // recipe.steps)
    if recipe.schedule == "plateau":
        return recipe.learning_rate * 0.9 ** _plateaus(losses, recipe.plateau)
    return recipe.learning_rate


def make_optimiser(recipe: Recipe, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The recipe's optimiser of those parameters that are not frozen."""
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[recipe.optimiser]
    tuned = [parameter for parameter in parameters if parameter.requires_grad]
    return kind(tuned, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


def _plateaus(losses: Sequence[float], patience: int) -> int:
    """How many whole stretches of ``patience`` steps brought no loss below all earlier ones."""
    lowest = [min(losses[k : k + patience]) for k in range(0, len(losses) - patience + 1, patience)]
    before = np.minimum.accumulate(lowest) if lowest else np.zeros(0)
    return int(sum(lowest[k] >= before[k - 1] for k in range(1, len(lowest))))
