"""Fine-tuning: it learns, keeps the best state, freezes what it must, and survives being killed or stopped."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch

from MSLesionSegLib.errors import Cancelled, ModelError, OutputError, SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network import architectures
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import load_model, read_card, save_model
from MSLesionSegLib.training.examples.example import read_examples
from MSLesionSegLib.training.examples.known_patients import patient_codes
from MSLesionSegLib.training.fine_tuning import run, run_plan
from MSLesionSegLib.training.fine_tuning.recipes import FineTuningRecipe, recipe_from_card
from MSLesionSegLib.training.fine_tuning.request import FineTuning
from MSLesionSegLib.training.fine_tuning.run import fine_tune
from MSLesionSegLib.training.fine_tuning.scores import Score
from MSLesionSegLib.training.loop import loop
from MSLesionSegLib.training.loop.loop import Validation, train_network
from phantoms.lesion_examples import add_example
from support.worker_processes import ForkedProcess

pytestmark = pytest.mark.usefixtures("short_trials", "small_window")

TINY = Architecture(feature_maps=4, levels=3)
RECIPE = FineTuningRecipe(
    steps=4,
    batch=2,
    patch=32,
    warm_up=1,
    learning_rate=3e-3,
    insertion=0,
    geometry=0,
    thick_slices=0,
    validations=2,
)


@pytest.fixture
def request_(tmp_path):
    torch.manual_seed(0)
    save_model(tmp_path / "models", build(TINY), ModelCard("start", "flair", TINY, ("FLAIR",)))
    for k in range(2):
        add_example(tmp_path / "training", f"case{k}", seed=k)
    add_example(tmp_path / "validation", "kept", seed=7)
    return FineTuning(
        name="mine",
        training=read_examples(tmp_path / "training"),
        validation=read_examples(tmp_path / "validation"),
        start=tmp_path / "models" / "start",
        recipe=RECIPE,
        models=tmp_path / "models",
    )


class Listener(Silent):
    def __init__(self) -> None:
        self.metrics, self.stages, self.expected = [], [], {}

    def expect(self, seconds):
        self.expected = dict(seconds)

    def stage(self, name, fraction=0.0):
        self.stages.append((name, fraction))

    def metric(self, name, value, **context):
        self.metrics.append((name, value, context))


def weights(name, request) -> dict[str, torch.Tensor]:
    return load_model(request.models / name).network.state_dict()


def test_a_fine_tuned_model_is_better_and_says_what_it_was_made_of(request_):
    listener = Listener()
    recipe = RECIPE.but(steps=40, learning_rate=1e-2)
    tuned = fine_tune(replace(request_, recipe=recipe), listener)
    assert tuned.history[-1]["dice"] > tuned.history[0]["dice"] + 0.1
    card = read_card(tuned.folder)
    assert card == tuned.card
    assert (card.name, card.parent, card.task, card.architecture) == ("mine", "start", "flair", TINY)
    assert recipe_from_card(card.recipe) == recipe
    assert card.training["cases"] == 2 and card.training["validation_cases"] == 1
    assert card.results["validation of the best state"]["dice"] == max(n["dice"] for n in tuned.history[1:])
    told = [(name, context) for name, _, context in listener.metrics if name == "validation_dice"]
    assert [context["step"] for _, context in told] == [0, 20, 40]
    assert told[-1][1]["epoch"] == 40 * 2 / (2 * RECIPE.patches)
    assert not (request_.models / ".runs" / "mine").exists()
    assert card.training["patients"] == patient_codes(request_.training)


@pytest.mark.parametrize(
    ("tune", "moves"), [("decoder", "upsamples"), ("last", "output"), ("encoder", "input")]
)
def test_only_the_chosen_part_changes(request_, tune, moves):
    fine_tune(replace(request_, tune=tune, validation=()), Silent())
    before, after = weights("start", request_), weights("mine", request_)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    frozen = {
        "decoder": ("input_block", "downsamples", "bottleneck"),
        "encoder": ("upsamples", "output_block"),
    }
    frozen["last"] = (*frozen["decoder"], "upsamples.0", "upsamples.1", "upsamples.2.transp_conv")
    assert any(name.startswith(moves) for name in changed)
    assert not [name for name in changed if name.startswith(frozen[tune])]


def test_random_weights_with_a_frozen_encoder_are_a_start_too(request_):
    tuned = fine_tune(
        replace(request_, start=None, architecture=TINY, tune="decoder", validation=()), Silent()
    )
    assert tuned.card.parent is None and "random" in tuned.card.description


def test_the_best_state_is_kept_and_not_the_last_one():
    network = torch.nn.Conv3d(1, 1, 1)

    class Source:
        examples = ()

        def batch(self, step):
            return torch.ones(1, 1, 4, 4, 4), torch.ones(1, 1, 4, 4, 4)

    seen = {}

    def score(step):
        seen[step] = network.bias.item()
        return {"score": {0: 9.0, 1: 1.0, 2: 3.0, 3: 2.0}[step]}

    recipe = RECIPE.but(steps=3)
    validation = Validation(score, interval=1)
    train_network(network, Source(), recipe, validation=validation)
    assert network.bias.item() == seen[2] != seen[3]
    assert [numbers["step"] for numbers in validation.history] == [0, 1, 2, 3]


def test_a_blob_over_all_lesions_is_not_the_best_state(request_, monkeypatch):
    """Any overlap gives such a blob a perfect F1."""
    states = iter([(0.4, 0.4), (0.02, 1.0), (0.45, 0.4)])  # Dice and F1 of the start and of two states

    def scored(*_, **__):
        dice, f1 = next(states)
        return [Score("kept", "here", False, dice, f1, 1.0, 1.0, 0)]

    monkeypatch.setattr(run, "score", scored)
    monkeypatch.setattr(run_plan, "seconds_to_score", lambda *_: 0.0)
    card = fine_tune(request_, Silent()).card
    assert card.results["validation of the best state"]["dice"] == 0.45


def test_training_ends_when_the_validation_no_longer_gets_better():
    class Source:
        examples = ()

        def batch(self, step):
            return torch.ones(1, 1, 4, 4, 4), torch.ones(1, 1, 4, 4, 4)

    validation = Validation(lambda step: {"score": -float(step)}, interval=1, patience=2)
    train_network(torch.nn.Conv3d(1, 1, 1), Source(), RECIPE.but(steps=50), validation=validation)
    assert validation.history[-1]["step"] == 3


def train_and_tell(folder: Path, tune: str, told: Connection) -> None:
    """What a process does that will be killed."""

    class Told(Silent):
        def stage(self, name, fraction=0.0):
            told.send((name, fraction))

    architectures.WINDOW, loop.CHECKPOINT_SECONDS = 48, 0
    examples = (read_examples(folder / part) for part in ("training", "validation"))
    start, models = folder / "models" / "start", folder / "models"
    fine_tune(
        FineTuning("killed", *examples, start=start, recipe=RECIPE.but(steps=6), tune=tune, models=models),
        Told(),
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize("tune", ["all", "decoder"])
def test_a_killed_process_goes_on_to_the_result_of_an_unbroken_one(request_, tmp_path, tune):
    recipe = RECIPE.but(steps=6)
    fine_tune(replace(request_, name="unbroken", recipe=recipe, tune=tune), Silent())
    heard, told = Pipe(duplex=False)
    child = ForkedProcess(target=train_and_tell, args=(tmp_path, tune, told))
    child.start()
    stage = fraction = None
    while stage != "training" or not 4 / 6 <= fraction < 1:
        stage, fraction = heard.recv()
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not (request_.models / "killed").exists()
    listener = Listener()
    tuned = fine_tune(replace(request_, name="killed", recipe=recipe, tune=tune), listener)
    assert next(fraction for name, fraction in listener.stages if name == "training") >= 3 / 6
    unbroken, resumed = weights("unbroken", request_), weights("killed", request_)
    for name, tensor in unbroken.items():
        torch.testing.assert_close(tensor, resumed[name], rtol=0, atol=0)
    assert tuned.card.results == read_card(request_.models / "unbroken").results


class StopsAfter(Listener):
    def __init__(self, steps: float) -> None:
        super().__init__()
        self.steps = steps

    def stage(self, name, fraction=0.0):
        if name == "training" and fraction >= self.steps:
            raise Cancelled


def test_a_stopped_training_keeps_the_best_state_that_was_scored(request_):
    with pytest.raises(Cancelled):
        fine_tune(request_, StopsAfter(3 / 4))
    card = read_card(request_.models / "mine")
    assert "Stopped early" in card.description
    assert card.results["validation of the best state"]["step"] == 2
    assert not (request_.models / ".runs" / "mine").exists()


def test_a_training_stopped_before_any_scoring_leaves_its_checkpoint_and_no_model(request_):
    with pytest.raises(Cancelled):
        fine_tune(request_, StopsAfter(1 / 4))
    assert not (request_.models / "mine").exists()
    assert (request_.models / ".runs" / "mine" / "checkpoint.pt").exists()


def test_a_time_budget_decides_the_length_once_and_for_all(request_, monkeypatch):
    monkeypatch.setattr(run_plan, "seconds_per_step", lambda *_: 1.0)
    monkeypatch.setattr(run_plan, "seconds_to_score", lambda *_: 2.0)
    budget = replace(
        request_, recipe=RECIPE.but(steps=0, minutes=1.0), began=time.monotonic() - 5, keep_s=6.0
    )
    with pytest.raises(Cancelled):
        fine_tune(budget, StopsAfter(0))
    monkeypatch.setattr(run_plan, "seconds_per_step", lambda *_: 0.001)
    listener = StopsAfter(0)
    with pytest.raises(Cancelled):
        fine_tune(budget, listener)
    plan = (request_.models / ".runs" / "mine" / "plan.json").read_text()
    assert '"steps": 40' in plan  # 60 - 5 - 6 - 3 scorings of 2 s, and a reserve of 5 %


def test_the_remaining_time_follows_from_measured_steps_also_when_a_run_goes_on(request_, monkeypatch):
    monkeypatch.setattr(run_plan, "seconds_per_step", lambda *_: 2.0)
    monkeypatch.setattr(run_plan, "seconds_to_score", lambda *_: 7.0)
    request = replace(request_, keep_s=11.0)
    for _ in range(2):
        listener = StopsAfter(1 / 4)
        with pytest.raises(Cancelled):
            fine_tune(request, listener)
        # 4 steps, and scorings at the start, in the middle and at the end
        assert listener.expected == {"training": 4 * 2.0 + 3 * 7.0, "gate": 11.0}
        monkeypatch.setattr(run_plan, "seconds_per_step", lambda *_: pytest.fail("measured again"))


def test_an_impossible_time_budget_still_makes_a_few_steps(request_, monkeypatch):
    monkeypatch.setattr(run_plan, "seconds_per_step", lambda *_: 100.0)
    with pytest.raises(Cancelled):
        fine_tune(replace(request_, recipe=RECIPE.but(steps=0, minutes=1.0)), StopsAfter(0))
    assert '"steps": 20' in (request_.models / ".runs" / "mine" / "plan.json").read_text()


def test_what_does_not_fit_into_memory_is_refused_with_what_to_change(request_):
    with pytest.raises(SettingsError, match=r"batch \(now 100000\) or patch"):
        fine_tune(replace(request_, recipe=RECIPE.but(batch=100_000)), Silent())


def test_a_training_needs_cases_a_free_name_and_a_fitting_start(request_, tmp_path):
    with pytest.raises(SettingsError, match="no training cases"):
        fine_tune(replace(request_, training=()), Silent())
    with pytest.raises(OutputError, match="exists already"):
        fine_tune(replace(request_, name="start"), Silent())
    coarse = ModelCard("coarse", "flair", TINY, ("FLAIR",), spacing_mm=2.0)
    save_model(request_.models, build(TINY), coarse)
    with pytest.raises(ModelError, match="2 mm"):
        fine_tune(replace(request_, start=request_.models / "coarse"), Silent())
    with pytest.raises(ModelError, match="'flair', not for 'new'"):
        fine_tune(replace(request_, task="new"), Silent())
