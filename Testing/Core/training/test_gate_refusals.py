"""What learns from wrong masks or another contrast does not get past the gate, and the model in use stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from MSLesionSegLib.cases.case_set import CaseSet
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network import architectures
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.model_in_use import model_in_use, use_model
from MSLesionSegLib.network.models.store import load_model, save_model
from MSLesionSegLib.training.examples.example import Example, write_example
from MSLesionSegLib.training.fine_tuning import budget
from MSLesionSegLib.training.fine_tuning import model_update as module
from MSLesionSegLib.training.fine_tuning.model_update import TrainRequest, train
from MSLesionSegLib.training.fine_tuning.recipes import FineTuningRecipe
from MSLesionSegLib.training.fine_tuning.request import FineTuning
from MSLesionSegLib.training.fine_tuning.run import fine_tune
from phantoms.lesion_examples import add_example

TINY = Architecture(feature_maps=4, levels=3)
RECIPE = FineTuningRecipe(
    steps=60,
    batch=2,
    patch=32,
    warm_up=5,
    learning_rate=1e-2,
    insertion=0,
    geometry=0,
    thick_slices=0,
    validations=1,
)


@pytest.fixture(scope="module", autouse=True)
def small_windows():
    """The examples are small: no need to look at them in cubes of 96 voxels; and few steps are timed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(architectures, "WINDOW", 40)
        for name in ("_WARM", "_TIMED"):
            patch.setattr(budget, name, 1)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with a model that finds the lesions."""
    folder = tmp_path_factory.mktemp("store")
    examples = [add_example(folder / "examples", f"case{k}", seed=k) for k in range(2)]
    torch.manual_seed(0)
    save_model(folder, build(TINY), ModelCard("random", "flair", TINY, ("FLAIR",)))
    tuned = fine_tune(
        FineTuning("good", examples, examples, start=folder / "random", recipe=RECIPE, models=folder),
        Silent(),
    )
    assert tuned.history[-1]["dice"] > 0.6
    return folder


def another_contrast(example: Example) -> Example:
    """The example with its intensities turned upside down."""
    image, label, brain = (
        np.asarray(example.array(name), np.float32) for name in ("image", "label", "brain")
    )
    return write_example(example.folder, -image, label / 255, brain, site=example.site)


@pytest.mark.parametrize("wrong", ["shifted", "inverted", "another contrast"])
@pytest.mark.parametrize("validation_too", [False, True])
def test_the_gate_refuses_and_the_model_in_use_stays(trained, tmp_path, monkeypatch, wrong, validation_too):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path))
    save_model(tmp_path, load_model(trained / "good").network, replace(load_model(trained / "good").card))
    use_model("good")
    kind = {"shifted": {"shifted": 9}, "inverted": {"inverted": True}}.get(wrong, {})

    def examples(name: str, seeds: range, spoilt: bool) -> list[Example]:
        made = [add_example(tmp_path / name, f"{name}{k}", seed=k, **(kind if spoilt else {})) for k in seeds]
        return [another_contrast(e) for e in made] if spoilt and wrong == "another contrast" else made

    training = examples("training", range(20, 22), spoilt=True)
    validation = examples("validation", range(30, 33), spoilt=validation_too)
    buffer = examples("buffer", range(40, 43), spoilt=False)
    monkeypatch.setattr(module, "read_cases", lambda *_: CaseSet(tmp_path, (), ()))
    monkeypatch.setattr(module, "_prepared", lambda *_: (training, validation))
    buffer = tuple(replace(example, site="earlier") for example in buffer)
    trained_model = train(
        TrainRequest(tmp_path / "set", RECIPE.but(steps=20), name="bad", buffer=buffer, replay=False),
        Silent(),
    )
    assert trained_model.verdict.verdict == "refuse", trained_model.verdict.sentence
    assert trained_model.verdict.sentence.startswith("Refused")
    assert ("earlier" in trained_model.verdict.sentence) or not validation_too
    assert model_in_use("flair") == trained_model.in_use == "good"
    assert (tmp_path / "bad" / "card.json").exists()
