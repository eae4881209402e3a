"""Fine-tuning: from a start model and examples to a new model in the store."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from MSLesionSegLib.errors import Cancelled, ModelError, SettingsError
from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.files.checksums import json_sha256
from MSLesionSegLib.imaging.grid import NETWORK_SPACING_MM
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.freezing import cut, freeze
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import (
    Model,
    check_name,
    load_model,
    read_card,
    save_model,
    user_models_folder,
)
from MSLesionSegLib.training.examples.example import Example, fingerprint
from MSLesionSegLib.training.examples.lineage import patient_codes
from MSLesionSegLib.training.fine_tuning.budget import (
    check_memory,
    check_patch,
    fit_sizes,
    seconds_per_step,
    steps_in,
)
from MSLesionSegLib.training.fine_tuning.encoder_features import FeatureSource
from MSLesionSegLib.training.fine_tuning.recipes import FINE_TUNING, FineTuningRecipe, length
from MSLesionSegLib.training.fine_tuning.scores import means, score
from MSLesionSegLib.training.loop.distributed import ALONE, ProcessGroup
from MSLesionSegLib.training.loop.loop import Validation, train_network
from MSLesionSegLib.training.loop.run_folder import RUNS
from MSLesionSegLib.training.loop.stages import GATE, MEASURE, TRAINING
from MSLesionSegLib.training.patches.interleaving import InterleavedSource

LIMITS = (
    "Fine-tuned on the cases of few sites: expect less elsewhere. The best state was chosen on the validation cases, "
    "so their numbers flatter a little. For research use only."
)


@dataclass(frozen=True)
class FineTuning:
    """What to fine-tune, on what and how.

    Attributes:
        name: of the new model.
        training: current cases.
        validation: cases of the same task that are never trained on; they choose the best state. May be empty.
        replay: examples of earlier sites that are trained on in between; may be empty.
        start: model (name or folder) to start from, or None for random weights.
        recipe: how.
        tune: part of the network that is tuned, see :func:`~MSLesionSegLib.network.freezing.freeze`.
        task, channels, architecture: of a model from random weights; otherwise the start's are taken.
        models: folder of the store that receives the model.
        work: folder for the checkpoint, continued from when it exists; below ``models`` when None.
        run: what tells the run that this is part of from others; stands in the card of a model that it has finished.
        device: ``cpu`` or ``cuda``.
        keep_s: seconds of a time budget that are needed after training, for the gate.
        began: :func:`time.monotonic` of when the time budget began to count; now when None.
    """

    name: str
    training: Sequence[Example]
    validation: Sequence[Example] = ()
    replay: Sequence[Example] = ()
    start: str | Path | None = None
    recipe: FineTuningRecipe = field(default_factory=lambda: FINE_TUNING["quick"])
    tune: str = "all"
    task: str = "flair"
    channels: tuple[str, ...] = ("FLAIR",)
    architecture: Architecture = field(default_factory=lambda: Architecture(thin=2))
    models: Path = field(default_factory=user_models_folder)
    work: Path | None = None
    run: str = ""
    device: str = "cpu"
    keep_s: float = 0.0
    began: float | None = None


@dataclass(frozen=True)
class FineTuned:
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
) -> FineTuned:
    """Fine-tune a model and store the result, which takes nobody's place by that.

    A run that was killed goes on from its last checkpoint when it is asked for again, to the same result. One that
    the person stops stores the best state that was scored so far, if any was.

    Args:
        request: what and how.
        progress: told the stages ``frozen layers`` and ``training`` and the metrics ``loss``, ``validation_dice`` and
            ``validation_f1`` with step and epoch.
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
    weights = sum(parameter.numel() for parameter in model.network.parameters())
    plan = _planned_sizes(request, request.recipe, model.card.architecture, weights, work, group)
    recipe = request.recipe.but(batch=plan.batch, patch=plan.patch)

    trained, source = _prepare_source(request, recipe, model, work, progress, group)
    if not plan.steps:
        progress.stage(MEASURE)
        plan = group.broadcast(_planned_steps(request, recipe, model, trained, source, began, plan))
        if group.leads:
            write_text(work / "plan.json", json.dumps(asdict(plan)))
    recipe = recipe.but(steps=plan.steps)
    scorings = (recipe.validations + 1) * plan.scoring_s
    progress.expect({TRAINING: plan.steps * plan.step_s + scorings, GATE: request.keep_s})
    validation = _validation(request, recipe, model, progress) if request.validation else None
    model = replace(model, card=_card(request, recipe, model.card))
    try:
        train_network(
            trained,
            source,
            recipe,
            checkpoint=work / "checkpoint.pt",
            device=request.device,
            progress=progress,
            validation=validation,
            group=group,
        )
    except Cancelled:
        if group.leads and validation is not None and any(numbers["step"] for numbers in validation.history):
            _store(request, model, validation, work, stopped=True)
        raise
    if group.leads:
        _store(request, model, validation, work, stopped=False)
    group.barrier()
    folder = request.models / request.name
    return FineTuned(folder, read_card(folder), tuple(validation.history if validation is not None else ()))


def seconds_to_score(model: Model, examples: Sequence[Example], device: str) -> float:
    """Expected seconds for scoring examples, from the first of them."""
    if not examples:
        return 0.0
    begin = time.monotonic()
    score(model, examples[:1], device=device)
    return (time.monotonic() - begin) * len(examples)


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


def _prepare_source(request, recipe, model, work, progress, group):
    """What is trained and what it draws from: the whole network, or its late layers on stored features."""
    cases = InterleavedSource(request.training, recipe, request.replay, group=group)
    parts = cut(model.network, model.card.architecture, request.tune)
    if parts is None:
        return model.network, cases
    begin, rest = parts
    size = recipe.cached_patches * len(request.training)
    pool = work / f"features-{training_key(request, recipe)[:16]}"
    return rest, FeatureSource(cases, begin, pool, size, request.device, progress)


@dataclass(frozen=True)
class _Plan:
    """What was measured or chosen once for a run, so that a run that goes on does the same.

    ``key`` tells one run from another; ``steps`` is 0 as long as the length is not known. ``step_s`` and
    ``scoring_s`` are the seconds that an optimiser step and a scoring of the validation cases take.
    """

    key: str
    batch: int
    patch: int
    steps: int = 0
    step_s: float = 0.0
    scoring_s: float = 0.0


def _planned_sizes(request, recipe, architecture, weights, work, group) -> _Plan:
    """The plan of this run as it was left, or a new one without a length."""
    key = training_key(request, recipe)
    plan = None
    if group.leads:
        plan = _read_plan(work / "plan.json", key)
        if plan is None:
            sized = fit_sizes(recipe, architecture, weights, request.device)
            check_memory(architecture, sized, weights, request.device)
            plan = _Plan(key, max(sized.batch, group.size), sized.patch)
    return group.broadcast(plan)


def _planned_steps(request, recipe, model, trained, source, began, plan) -> _Plan:
    """The plan with optimiser steps by the recipe's epochs and its time budget, whichever are fewer."""
    steps = length(recipe, len(request.training), bool(request.replay))
    per_step = seconds_per_step(trained, source, recipe, request.device)
    scoring = seconds_to_score(model, request.validation, request.device)
    plan = replace(plan, steps=steps, step_s=per_step, scoring_s=scoring)
    if not recipe.minutes:
        return plan
    left = recipe.minutes * 60 - (time.monotonic() - began) - request.keep_s
    fitting = steps_in(left - scoring * (recipe.validations + 1), per_step)
    return replace(plan, steps=min(fitting, steps) if steps else fitting)


def _read_plan(file: Path, key: str) -> _Plan | None:
    try:
        plan = _Plan(**json.loads(file.read_text(encoding="utf-8")))
        return plan if plan.key == key else None
    except (OSError, ValueError, TypeError):
        return None


def training_key(request: FineTuning, recipe: FineTuningRecipe) -> str:
    """What tells one training from another: recipe, tuned part, start and cases."""
    facts = [
        recipe.as_dict(),
        request.tune,
        str(request.start),
        fingerprint(request.training),
        fingerprint(request.replay),
    ]
    return json_sha256(facts)


def _validation(request, recipe, model, progress) -> Validation:
    share = recipe.replay_share if request.replay else 0.0
    per_epoch = len(request.training) * recipe.patches / (recipe.batch * (1 - share))
    judged = replace(model, card=replace(model.card, activation=recipe.activation))

    def score_now(step: int) -> dict[str, float]:
        state = judged if step else model
        numbers = means(score(state, request.validation, device=request.device, progress=progress))
        found = {name: value for name, value in numbers.items() if value is not None}
        for name in ("dice", "f1"):
            if name in found:
                progress.metric(
                    f"validation_{name}", found[name], step=step, epoch=round(step / per_epoch, 2)
                )
        # the lower of both: one blob over all lesions has a perfect F1. Without lesions only false ones can tell
        good = min(found["dice"], found["f1"]) if "dice" in found else -found["false_positives"]
        return {"score": good, **found}

    return Validation(score_now, recipe.interval, recipe.patience)


def _card(request: FineTuning, recipe: FineTuningRecipe, start: ModelCard) -> ModelCard:
    parent = None if request.start is None else start.name
    sites = Counter(example.site for example in request.training)
    training: dict[str, Any] = {
        "cases": len(request.training),
        "by_site": dict(sites),
        "fingerprint": fingerprint(request.training),
        "patients": patient_codes(request.training),
        "validation_cases": len(request.validation),
        "validation_fingerprint": fingerprint(request.validation),
        "replay_examples": dict(Counter(example.site for example in request.replay)),
    }
    if parent is not None:
        training["parent_sha256"] = start.weights_sha256
    return replace(
        start,
        name=request.name,
        parent=parent,
        activation=recipe.activation,
        recipe={**recipe.as_dict(), "tune": request.tune},
        training=training,
        results={},
        description=f"Trained from {parent or 'random weights'} on {len(request.training)} own cases.",
        limits=LIMITS,
        licence=start.licence if parent else "",
        hardware=request.device,
        created="",
    )


def _store(request, model: Model, validation: Validation | None, work: Path, *, stopped: bool) -> None:
    results: dict[str, Any] = {}
    if validation is not None:
        best = max((n for n in validation.history if n["step"]), key=lambda numbers: numbers["score"])
        results = {"validation at the start": validation.history[0], "validation of the best state": best}
    card = replace(model.card, results=results)
    if request.run and not stopped:
        card = replace(card, training={**card.training, "run": request.run})
    if stopped:
        card = replace(card, description=f"{card.description} Stopped early; the gate has not seen it.")
    save_model(request.models, model.network, card)
    shutil.rmtree(work, ignore_errors=True)
