"""What a GPU draws patches with: volumes on the card, batches a step ahead. The same code on the CPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.training.examples.example import read_examples, write_example
from MSLesionSegLib.training.fine_tuning.recipes import get_recipe
from MSLesionSegLib.training.loop.loop import train_network
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.patches.drawing_ahead import DrawnAhead, drawn_ahead
from MSLesionSegLib.training.patches.patches import PatchSource, cut_patches
from MSLesionSegLib.training.patches.replay_interleaving import InterleavedSource

RECIPE = TrainingRecipe(steps=4, patch=16, batch=2, warm_up=1)


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, (1, 40, 36, 32)).astype(np.float32)
    label = (rng.random((40, 36, 32)) > 0.9).astype(np.float32)
    write_example(tmp_path / "case", image, label, np.ones_like(label), site="here")
    return PatchSource(read_examples(tmp_path), RECIPE)


@pytest.mark.parametrize("centre", [(20, 18, 16), (2, 34, 0), (90, 0, 0)])
def test_patches_cut_from_tensors_are_those_cut_from_files(source, centre):
    image, label = source.volumes.of(source.examples[0])
    for seed in range(4):
        stored, resident = (
            cut_patches([volumes], [np.array(centre)], RECIPE, [np.random.default_rng(seed)])
            for volumes in ((image, label), (torch.tensor(image), torch.tensor(label)))
        )
        torch.testing.assert_close(resident, stored, rtol=0, atol=0)


def test_what_is_inserted_gets_its_patch_from_wherever_it_was_cut(source):
    seen = []

    def insert(picture, target, rng):
        seen.append(picture.device.type)
        return picture, torch.ones_like(target)

    marked = PatchSource(source.examples, RECIPE.but(insertion=1.0, thick_slices=0.0), insert=insert)
    assert marked.batch(0)[1].min() == 1 and seen == ["cpu", "cpu"]


@pytest.mark.parametrize("changes", [{}, {"insertion": 1.0}, {"thick_slices": 1.0, "quarter_turns": True}])
def test_patches_drawn_at_once_are_those_drawn_one_after_the_other(source, changes):
    recipe = get_recipe("quick").but(patch=16, soft_labels=True, **changes)
    many = InterleavedSource(source.examples, recipe)
    singles = zip(*(many.numbered([n]) for n in range(12)), strict=True)
    for at_once, one_by_one in zip(many.numbered(range(12)), singles, strict=True):
        torch.testing.assert_close(at_once, torch.cat(one_by_one))


def test_a_step_drawn_at_once_is_the_same_each_time(source):
    source.at_once = 2
    for one, again in zip(source.batch(3), source.batch(3), strict=True):
        assert one.shape == (2, 1, 16, 16, 16) and torch.equal(one, again)


def trained(source):
    torch.manual_seed(0)
    network = build(Architecture(feature_maps=4, levels=3))
    return network, train_network(network, source, RECIPE).losses


def test_a_training_whose_batches_are_drawn_ahead_is_the_same_training(source):
    with ThreadPoolExecutor(1) as pool:
        assert trained(DrawnAhead(source, pool))[1] == trained(source)[1]


def test_steps_may_be_asked_for_in_any_order(source):
    with ThreadPoolExecutor(1) as pool:
        ahead = DrawnAhead(source, pool)
        for step in (0, 1, 5, 2):
            torch.testing.assert_close(ahead.batch(step)[0], source.batch(step)[0], rtol=0, atol=0)


def test_a_cpu_draws_its_batches_when_they_are_needed(source):
    with drawn_ahead(source, "cpu") as same:
        assert same is source
