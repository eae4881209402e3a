"""The loop that a button starts: cases on disk, fine-tuning, the gate, and the model in use."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from MSLesionSegLib.cases.case_set import CaseSet, read_cases
from MSLesionSegLib.errors import ModelError, SettingsError
from MSLesionSegLib.files.checksums import json_sha256
from MSLesionSegLib.jobs.progress import Progress, Silent, Within
from MSLesionSegLib.network.device import choose_device
from MSLesionSegLib.network.freezing import check_part
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.model_in_use import model_in_use, use_model, warn_if_damaged
from MSLesionSegLib.network.models.store import (
    Model,
    check_name,
    find_model,
    load_model,
    read_card,
    user_models_folder,
    write_card,
)
from MSLesionSegLib.tasks import Task, get_task
from MSLesionSegLib.training.examples import case_examples
from MSLesionSegLib.training.examples.example import Example, fingerprint
from MSLesionSegLib.training.fine_tuning.budget import check_patch
from MSLesionSegLib.training.fine_tuning.gate_cases import hold_out
from MSLesionSegLib.training.fine_tuning.leave_one_out import leave_one_out
from MSLesionSegLib.training.fine_tuning.promotion_gate import FEWEST_CASES, Verdict, judge_candidate
from MSLesionSegLib.training.fine_tuning.recipes import FineTuningRecipe
from MSLesionSegLib.training.fine_tuning.request import FineTuning
from MSLesionSegLib.training.fine_tuning.run import FineTunedModel, fine_tune
from MSLesionSegLib.training.fine_tuning.scores import NOTHING_LEFT_OUT, seconds_to_score
from MSLesionSegLib.training.loop.distributed import ALONE, ProcessGroup
from MSLesionSegLib.training.loop.run_folder import RunFolder, held_run
from MSLesionSegLib.training.loop.stages import GATE, MEASURE

SCRATCH = "scratch"


@dataclass(frozen=True)
class TrainRequest:
    """What the person asks for.

    Attributes:
        cases: folder of a case set.
        recipe: how.
        task: row of the task table.
        start: model to start from, ``scratch`` for random weights, or None for the model in use.
        tune: part of the network, see :func:`~MSLesionSegLib.network.freezing.freeze`.
        buffer: examples of earlier sites.
        replay: whether they are trained on in between; the gate looks at a part of them either way.
        name: of the new model; a free one when None.
        device: ``auto``, ``cpu`` or ``cuda``.
        leave_one_out: measure by as many trainings as there are cases, each without one, for the gate.
        models: folder of the store.
    """

    cases: Path
    recipe: FineTuningRecipe
    task: str = "flair"
    start: str | None = None
    tune: str = "all"
    buffer: tuple[Example, ...] = ()
    replay: bool = True
    name: str | None = None
    device: str = "auto"
    leave_one_out: bool = False
    models: Path = field(default_factory=user_models_folder)


@dataclass(frozen=True)
class TrainedModel:
    """What came out.

    Attributes:
        model: name of the new model.
        folder: where it is stored.
        in_use: name of the model that the task takes from now on.
        verdict: of the gate.
        history: see :class:`~MSLesionSegLib.training.fine_tuning.run.FineTunedModel`.
    """

    model: str
    folder: Path
    in_use: str
    verdict: Verdict
    history: tuple[dict[str, float], ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON types, the content of the result event."""
        return {
            "model": self.model,
            "folder": str(self.folder.absolute()),
            "in_use": self.in_use,
            "gate": self.verdict.as_dict(),
            "history": list(self.history),
        }


def train(
    request: TrainRequest, progress: Progress | None = None, group: ProcessGroup = ALONE
) -> TrainedModel:
    """Fine-tune on a case set, let the gate compare the result with the model in use, and promote it if it may.

    The new model is always stored. It takes the place of the model in use only with the verdict ``promote``. A run
    that ended before the gate had spoken, however it ended, is taken up where it was left when it is asked for again.
    Prepared cases stay on the disk only while it runs.

    Raises:
        SettingsError: no usable cases, or settings that contradict each other.
        MSLesionSegError: see :func:`~MSLesionSegLib.training.fine_tuning.run.fine_tune`.
    """
    progress = progress or Silent()
    began = time.monotonic()
    task = get_task(request.task)
    warn_if_damaged(progress)
    old = load_model(model_in_use(task.name), task=task.name)
    check_part(request.tune)
    start = _start(request, old.card.name)
    check_patch(request.recipe, old.card.architecture if start is None else _card(start).architecture)
    cases = read_cases(request.cases, request.task)
    for finding in cases.findings:
        progress.warning(finding.code, finding.sentence)
    key = _run_key(request, start, cases)
    if request.name and not _waits_for_gate(request.models / request.name, key):
        check_name(request.models, request.name)
    names = [request.name] if request.name else (f"{task.name}-tuned-{k}" for k in count(1))

    def is_free(name: str) -> bool:
        model = request.models / name
        return not model.exists() or _waits_for_gate(model, key)

    with contextlib.ExitStack() as stack:
        run = None
        if group.leads:
            run = stack.enter_context(held_run(request.models, names, is_free))
        return _run(request, task, old, start, cases, key, group.broadcast(run), began, progress, group)


def _run(
    request: TrainRequest,
    task: Task,
    old: Model,
    start: str | None,
    cases: CaseSet,
    key: str,
    run: RunFolder,
    began: float,
    progress: Progress,
    group: ProcessGroup,
) -> TrainedModel:
    """The run itself, in its folder."""
    device = choose_device(request.device)
    training, validation = _prepared(request, cases, run.examples, progress, group)
    progress.stage(MEASURE)
    replay, earlier = hold_out(request.buffer)
    if not request.replay:
        replay = []
    tuning = FineTuning(
        name=run.name,
        training=training,
        validation=validation,
        replay=replay,
        start=start,
        recipe=request.recipe if task.channels == ("flair",) else request.recipe.but(insertion=0.0),
        tune=request.tune,
        task=task.name,
        channels=old.card.channels,
        architecture=old.card.architecture,
        models=request.models,
        work=run.training,
        run=key,
        device=device,
        keep_s=2 * seconds_to_score(old, [*validation, *earlier], device),
        began=began,
    )
    left_out = NOTHING_LEFT_OUT
    if request.leave_one_out:
        left_out = leave_one_out(tuning, old.folder, run.left_out, task.default_model, progress, group)
        tuning = replace(tuning, began=None)
    if group.broadcast(run.model.exists()):
        tuned = FineTunedModel(run.model, read_card(run.model), ())
    else:
        tuned = fine_tune(tuning, progress, group)
    progress.stage(GATE)
    found = None
    if group.leads:
        new, inner = load_model(tuned.folder), Within(progress, GATE)
        found = judge_candidate(
            old, new, validation, earlier, left_out=left_out, device=device, progress=inner
        )
        if not request.leave_one_out:
            found = _with_offer(found, tuned)
    verdict = group.broadcast(found)
    if group.leads:
        _conclude(tuned, old.card.name, verdict)
        run.clear()
    group.barrier()
    return TrainedModel(run.name, tuned.folder, model_in_use(task.name), verdict, tuned.history)


def _prepared(
    request: TrainRequest, cases: CaseSet, out: Path, progress: Progress, group: ProcessGroup
) -> tuple[list[Example], list[Example]]:
    if group.leads:
        case_examples.prepare_cases(cases.cases, out, progress)
    group.barrier()
    quiet = Silent()
    training = case_examples.prepare_cases(cases.training, out, quiet)
    validation = case_examples.prepare_cases(cases.validation, out, quiet)
    if not training:
        raise SettingsError(
            f"There are no usable training cases for the task '{request.task}' in {request.cases} "
            f"({len(validation)} are for validation). Add corrected masks first."
        )
    return training, validation


def _start(request: TrainRequest, in_use: str) -> str | None:
    if request.start == SCRATCH:
        return None
    start = request.start or in_use
    find_model(start)
    return start


def _card(model: str) -> ModelCard:
    return read_card(find_model(model))


def _run_key(request: TrainRequest, start: str | None, cases: CaseSet) -> str:
    """What tells one run from another, known before anything is prepared."""
    facts = [
        request.task,
        request.recipe.as_dict(),
        request.tune,
        start and _card(start).weights_sha256,
        request.replay,
        request.leave_one_out,
        [(case.case_id, case.sha256, case.split) for case in cases.cases],
        fingerprint(request.buffer),
    ]
    return json_sha256(facts)


def _waits_for_gate(model: Path, key: str) -> bool:
    """Whether there is a model that this very run has made, without a verdict."""
    try:
        card = read_card(model)
    except ModelError:
        return False
    return card.training.get("run") == key and "gate" not in card.results


def _with_offer(verdict: Verdict, tuned: FineTunedModel) -> Verdict:
    patients = len(tuned.card.training["patients"])
    if verdict.verdict != "undecided" or verdict.cases >= FEWEST_CASES or patients < 2:
        return verdict
    minutes = tuned.card.recipe["minutes"]
    takes = f" about {(patients + 1) * minutes:.0f} minutes," if minutes else ""
    offer = f" Leave-one-out takes{takes} {patients + 1} trainings; in Slicer it is under Advanced."
    return replace(verdict, sentence=verdict.sentence + offer)


def _conclude(tuned: FineTunedModel, in_use: str, verdict: Verdict) -> None:
    card = read_card(tuned.folder)
    results = {**card.results, "gate": {"compared with": in_use, **verdict.as_dict()}}
    write_card(tuned.folder, replace(card, results=results))
    if verdict.verdict == "promote":
        use_model(card.name)
