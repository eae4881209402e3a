"""How large the steps of a fine-tuning are and how many: measured once, and kept for when it is resumed."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.network.models.store import Model
from MSLesionSegLib.training.fine_tuning.budget import check_memory, fit_sizes, seconds_per_step, steps_in
from MSLesionSegLib.training.fine_tuning.recipes import FineTuningRecipe, length
from MSLesionSegLib.training.fine_tuning.request import FineTuning, training_key
from MSLesionSegLib.training.fine_tuning.scores import seconds_to_score
from MSLesionSegLib.training.loop.loop import Source


@dataclass(frozen=True)
class RunPlan:
    """What was measured or chosen once for a run, so that a resumed run does the same.

    Attributes:
        key: tells one run from another.
        batch, patch: of every step.
        steps: 0 as long as the length is not known.
        step_s, scoring_s: seconds that an optimiser step and a scoring of the validation cases take.
    """

    key: str
    batch: int
    patch: int
    steps: int = 0
    step_s: float = 0.0
    scoring_s: float = 0.0

    def write(self, file: Path) -> None:
        write_text(file, json.dumps(asdict(self)))


def read_plan(file: Path, key: str) -> RunPlan | None:
    """The plan that this very run has left, if it did."""
    try:
        plan = RunPlan(**json.loads(file.read_text(encoding="utf-8")))
        return plan if plan.key == key else None
    except (OSError, ValueError, TypeError):
        return None


def plan_sizes(request: FineTuning, model: Model, processes: int) -> RunPlan:
    """A plan without a length: batch and patch that the network takes and the memory holds.

    Raises:
        SettingsError: not enough memory.
    """
    recipe, architecture = request.recipe, model.card.architecture
    weights = sum(parameter.numel() for parameter in model.network.parameters())
    sized = fit_sizes(recipe, architecture, weights, request.device)
    check_memory(architecture, sized, weights, request.device)
    return RunPlan(training_key(request, recipe), max(sized.batch, processes), sized.patch)


def plan_length(
    plan: RunPlan,
    request: FineTuning,
    recipe: FineTuningRecipe,
    model: Model,
    trained: torch.nn.Module,
    source: Source,
    began: float,
) -> RunPlan:
    """The plan with optimiser steps by the recipe's epochs and its time budget, whichever are fewer.

    Args:
        recipe: with the plan's batch and patch.
        model: the start. trained: what of its network is trained, on batches of ``source``.
        began: see :class:`~MSLesionSegLib.training.fine_tuning.request.FineTuning`.
    """
    steps = length(recipe, len(request.training), bool(request.replay))
    per_step = seconds_per_step(trained, source, recipe, request.device)
    scoring = seconds_to_score(model, request.validation, request.device)
    plan = replace(plan, steps=steps, step_s=per_step, scoring_s=scoring)
    if not recipe.minutes:
        return plan
    left = recipe.minutes * 60 - (time.monotonic() - began) - request.keep_s
    fitting = steps_in(left - scoring * (recipe.validations + 1), per_step)
    return replace(plan, steps=min(fitting, steps) if steps else fitting)
