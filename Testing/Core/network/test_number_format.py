"""The number format is chosen by the processor's instructions, or by a trial that is made once."""

from __future__ import annotations

import json

import pytest
import torch

from MSLesionSegLib.network import number_format
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.training.loop.loop import train_network
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.patches.patches import PatchSource
from phantoms.study_phantoms import write_examples


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """No answer is known, and the user's cache is left alone."""
    monkeypatch.setenv("MSLESIONSEG_CACHE", str(tmp_path / "cache"))
    number_format.has_fast_bfloat16.cache_clear()
    yield
    number_format.has_fast_bfloat16.cache_clear()


@pytest.fixture
def trials(monkeypatch) -> list[bool]:
    """A processor without the instructions; the trial gives the answers in the list and takes them out."""
    answers = [True, False]
    monkeypatch.setattr(number_format, "_has_instructions", lambda: False)
    monkeypatch.setattr(number_format, "_is_faster", lambda: answers.pop(0))
    return answers


def test_a_processor_with_the_instructions_is_not_tried(trials, monkeypatch):
    monkeypatch.setattr(number_format, "_has_instructions", lambda: True)
    assert number_format.has_fast_bfloat16() is True
    assert len(trials) == 2


def test_the_answer_of_a_trial_is_kept_for_later_processes(trials, tmp_path):
    assert number_format.has_fast_bfloat16() is True
    number_format.has_fast_bfloat16.cache_clear()  # as a new process
    assert number_format.has_fast_bfloat16() is True
    assert len(trials) == 1
    assert list(json.loads((tmp_path / "cache" / "processor.json").read_text()).values()) == [True]


def test_another_version_of_torch_is_tried_anew(trials, monkeypatch):
    assert number_format.has_fast_bfloat16() is True
    number_format.has_fast_bfloat16.cache_clear()
    monkeypatch.setattr("torch.__version__", "99.0")
    assert number_format.has_fast_bfloat16() is False


@pytest.mark.parametrize("content", ["not json", "[]", '{"x": 1}'])
def test_a_damaged_memory_is_made_again(trials, tmp_path, content):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "processor.json").write_text(content)
    assert number_format.has_fast_bfloat16() is True


def test_a_cache_that_cannot_be_written_does_no_harm(trials, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert number_format.has_fast_bfloat16() is True
    number_format.has_fast_bfloat16.cache_clear()
    assert number_format.has_fast_bfloat16() is False


def test_the_trial_itself_gives_an_answer():
    assert number_format._is_faster() in (True, False)


@pytest.mark.parametrize(("patch", "fast"), [(16, False), (24, False), (32, True)])
def test_networks_whose_deepest_maps_are_tiny_are_not_trained_in_bfloat16(monkeypatch, patch, fast):
    monkeypatch.setattr(number_format, "_has_instructions", lambda: True)
    network = build(Architecture(feature_maps=4, levels=3))
    image = torch.zeros(1, 1, patch, patch, patch)
    assert number_format.trains_in_bfloat16(network, image, "cpu") is fast
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize(("generation", "fast"), [((8, 0), True), ((7, 5), False)])
def test_cards_train_in_bfloat16_if_they_have_it(monkeypatch, generation, fast):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: generation)
    network = build(Architecture(feature_maps=4, levels=3))
    assert number_format.trains_in_bfloat16(network, torch.zeros(1, 1, 16, 16, 16), "cuda") is fast


def test_a_training_over_tiny_maps_is_finite_and_repeatable(tmp_path):
    examples = write_examples(tmp_path / "here", 1)
    recipe = TrainingRecipe(steps=3, patch=32, batch=1, warm_up=1, insertion=0, thick_slices=0)
    weights = []
    for _ in range(3):
        torch.manual_seed(0)
        network = build(Architecture(feature_maps=16, levels=4, full_resolution_divisor=2))
        train_network(network, PatchSource(examples, recipe), recipe)
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
        assert torch.isfinite(weights[-1]).all()
    assert torch.equal(weights[0], weights[1]) and torch.equal(weights[0], weights[2])
