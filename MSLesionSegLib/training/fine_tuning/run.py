"""Fine-tuning: from a start model and examples to a new model in the store."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from MSLesionSegLib.errors import Cancelled, ModelError, SettingsError
from MSLesionSegLib.imaging.grid import NETWORK_SPACING_MM
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.network.architectures import build
from MSLesionSegLib.network.freezing import cut, freeze
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import Model, check_name, load_model, read_card
from MSLesionSegLib.training.fine_tuning.budget import check_patch
from MSLesionSegLib.training.fine_tuning.encoder_features import FeatureSource
from MSLesionSegLib.training.fine_tuning.new_model import new_card, store_model
from MSLesionSegLib.training.fine_tuning.recipes import FineTuningRecipe
from MSLesionSegLib.training.fine_tuning.request import FineTuning, training_key
from MSLesionSegLib.training.fine_tuning.run_plan import plan_length, plan_sizes, read_plan
from MSLesionSegLib.training.fine_tuning.scores import METRICS, means, score
from MSLesionSegLib.training.loop.distributed import ALONE, ProcessGroup
from MSLesionSegLib.training.loop.loop import Validation, train_network
from MSLesionSegLib.training.loop.run_folder import RUNS
from MSLesionSegLib.training.loop.stages import GATE, MEASURE, TRAINING
from MSLesionSegLib.training.patches.drawing_ahead import drawn_ahead
from MSLesionSegLib.training.patches.replay_interleaving import InterleavedSource


@dataclass(frozen=True)
class FineTunedModel:
    """A new model.

    Attributes:
        folder: in the store.
        card: its card.
        history: step, dice, f1 and false_positives (mean over the validation cases) of every scoring; step 0 is the
            start.
    """

    folder: Path
    card: ModelCard
    history: tuple[dict[str, float], ...]


def fine_tune(
    request: FineTuning, progress: Progress | None = None, group: ProcessGroup = ALONE
) -> FineTunedModel:
    """Fine-tune a model and store the result, which takes nobody's place by that.

    A run that was killed goes on from its last checkpoint when it is asked for again, to the same result. One that
    the person stops stores the best state that was scored so far, if any was.

    Args:
        request: what and how.
        progress: told the stages ``frozen layers`` and ``training`` and the metrics ``loss`` and, named as in
            ``scores.METRICS``, ``validation_dice`` and so on with step and epoch.
        group: processes that train together.

    Raises:
        SettingsError: no cases, an impossible recipe, or not enough memory.
        ModelError: the start cannot be used.
        OutputError: the model exists already or cannot be written.
        Cancelled: the person stopped it.
    """
    progress = progress or Silent()
    began = time.monotonic() if request.began is None else request.began
    if not request.training:
        raise SettingsError("There are no training cases. Add corrected masks first.")
    check_name(request.models, request.name)
    model = _start(request)
    work = request.work or request.models / RUNS / request.name
    check_patch(request.recipe, model.card.architecture)
    freeze(model.network, model.card.architecture, request.tune)
    file = work / "plan.json"
    found = None
    if group.leads:
        found = read_plan(file, training_key(request, request.recipe)) or plan_sizes(
            request, model, group.size
        )
    plan = group.broadcast(found)
    recipe = request.recipe.but(batch=plan.batch, patch=plan.patch)

    trained, source = _prepare_source(request, recipe, model, work, progress, group)
    if not plan.steps:
        progress.stage(MEASURE)
        plan = group.broadcast(plan_length(plan, request, recipe, model, trained, source, began))
        if group.leads:
            plan.write(file)
    recipe = recipe.but(steps=plan.steps)
    scorings = (recipe.validations + 1) * plan.scoring_s
    progress.expect({TRAINING: plan.steps * plan.step_s + scorings, GATE: request.keep_s})
    validation = _validation(request, recipe, model, progress) if request.validation else None
    history = [] if validation is None else validation.history
    model = replace(model, card=new_card(request, recipe, model.card))
    try:
        with drawn_ahead(source, request.device) as batches:
            train_network(
                trained,
                batches,
                recipe,
                checkpoint=work / "checkpoint.pt",
                device=request.device,
                progress=progress,
                validation=validation,
                group=group,
            )
    except Cancelled:
        if group.leads and any(numbers["step"] for numbers in history):
            store_model(request, model, history, stopped=True)
            shutil.rmtree(work, ignore_errors=True)
        raise
    if group.leads:
        store_model(request, model, history, stopped=False)
        shutil.rmtree(work, ignore_errors=True)
    group.barrier()
    folder = request.models / request.name
    return FineTunedModel(folder, read_card(folder), tuple(history))


def _start(request: FineTuning) -> Model:
    """The start as a model whose network is the one that will be trained."""
    if request.start is None:
        torch.manual_seed(request.recipe.seed)
        card = ModelCard(request.name, request.task, request.architecture, request.channels)
        return Model(card, build(request.architecture), request.models)
    model = load_model(request.start, task=request.task)
    if model.card.spacing_mm != NETWORK_SPACING_MM:
        raise ModelError(
            f"Model {model.card.name} works at {model.card.spacing_mm:g} mm; only models at "
            f"{NETWORK_SPACING_MM:g} mm can be fine-tuned."
        )
    return model


def _prepare_source(
    request: FineTuning,
    recipe: FineTuningRecipe,
    model: Model,
    work: Path,
    progress: Progress,
    group: ProcessGroup,
) -> tuple[torch.nn.Module, InterleavedSource | FeatureSource]:
    """What is trained and what it draws from: the whole network, or its late layers on stored features."""
    cases = InterleavedSource(request.training, recipe, request.replay, group, request.device)
    parts = cut(model.network, model.card.architecture, request.tune)
    if parts is None:
        return model.network, cases
    begin, rest = parts
    size = recipe.cached_patches * len(request.training)
    pool = work / f"features-{training_key(request, recipe)[:16]}"
    return rest, FeatureSource(cases, begin, pool, size, request.device, progress)


def _validation(
    request: FineTuning, recipe: FineTuningRecipe, model: Model, progress: Progress
) -> Validation:
    share = recipe.replay_share if request.replay else 0.0
    per_epoch = len(request.training) * recipe.patches / (recipe.batch * (1 - share))
    judged = replace(model, card=replace(model.card, activation=recipe.activation))

    def score_now(step: int) -> dict[str, float]:
        state = judged if step else model
        numbers = means(score(state, request.validation, device=request.device, progress=progress))
        found = {name: value for name, value in numbers.items() if value is not None}
        for name in METRICS:
            if name in found:
                progress.metric(
                    f"validation_{name}", found[name], step=step, epoch=round(step / per_epoch, 2)
                )
        # the lower of both: one blob over all lesions has a perfect F1. Without lesions only false ones can tell
        good = min(found["dice"], found["f1"]) if "dice" in found else -found["false_positives"]
        return {"score": good, **found}

    return Validation(score_now, recipe.interval, recipe.patience)
