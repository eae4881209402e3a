"""Representations along training: the layers compared, the clock, and a whole small study."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.studies.dynamics.cells import convergence
from MSLesionSegLib.studies.dynamics.layers import LAYERS, activations, chosen_layers, filter_change, filters
from MSLesionSegLib.studies.dynamics.settings import DynamicsData, DynamicsSettings
from MSLesionSegLib.studies.dynamics.study import run_dynamics
from MSLesionSegLib.studies.rerun import rerun
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from phantoms.study_phantoms import write_examples

pytestmark = pytest.mark.usefixtures("small_window")

QUICK = TrainingRecipe(steps=6, patch=32, batch=1, warm_up=1, insertion=0, thick_slices=0, learning_rate=3e-3)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build(Architecture(feature_maps=4, levels=3)).eval()


@pytest.mark.parametrize("levels", [3, 4, 5])
def test_the_six_layers_run_from_the_input_down_and_up_again(levels):
    network = build(Architecture(feature_maps=4, levels=levels))
    layers = chosen_layers(network)
    assert tuple(layers) == LAYERS
    assert layers["encoder-1"] is network.input_block and layers["encoder-3"] is network.bottleneck
    assert layers["decoder-1"] is network.upsamples[0] and layers["decoder-3"] is network.upsamples[-1]


def test_activations_are_taken_at_the_same_places_of_every_network(network):
    patches = [torch.randn(1, 32, 32, 32) for _ in range(3)]
    one = activations(network, patches, 300)
    again = activations(network, patches, 300)
    assert {name: values.shape[1] for name, values in one.items()} == dict(
        zip(LAYERS, (4, 16, 32, 16, 8, 4), strict=True)
    )
    assert len(one["encoder-1"]) == 300 and len(one["encoder-3"]) == 192
    for name in LAYERS:
        np.testing.assert_array_equal(one[name], again[name])
    with pytest.raises(SettingsError, match="take more patches"):
        activations(network, patches[:1], 40)


def test_the_change_of_filters_by_hand():
    before = np.zeros((2, 1, 3, 3, 3))
    before[:, 0, 0, 0, 0] = 2
    after = before.copy()
    after[0, 0, 1, 1, 1] = 1
    assert filter_change(before, after) == pytest.approx((0.5 + 0) / 2)


def test_the_filters_are_three_voxels_wide(network):
    assert all(f.shape[2:] == (3, 3, 3) for f in filters(network).values())


@pytest.mark.parametrize(
    ("dices", "index"),
    [([0.1, 0.5, 0.5], 1), ([0.1, 0.4975, 0.5], 1), ([0.1, 0.497, 0.5], 2), ([0.0, 0.0], 0)],
)
def test_convergence_is_the_first_point_within_half_a_percent_of_the_best(dices, index):
    assert convergence(dices) == index


def test_a_whole_study_and_its_rerun(models, tmp_path):
    write_examples(tmp_path / "target", 3)
    settings = DynamicsSettings(bases=("tiny",), recipe=QUICK.as_dict(), points=3, patches=4, samples=300)
    data = DynamicsData(str(tmp_path / "target"))
    page = run_dynamics(settings, data, tmp_path / "one", "local", Silent())
    with (tmp_path / "one" / "rsim.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 4 * 6 * 4
    values = [float(row["rsim_with_convergence"]) for row in rows]
    assert min(values) >= 0 and max(values) == pytest.approx(1.0, abs=1e-6)
    for training in ("random.seed0", "transfer.seed1"):
        own = [row for row in rows if row["training"] == training]
        ones = {row["layer"] for row in own if float(row["rsim_with_convergence"]) > 1 - 1e-6}
        assert ones == set(LAYERS)
    with (tmp_path / "one" / "filter-change.csv").open() as stream:
        assert all(float(row["relative_change"]) >= 0 for row in csv.DictReader(stream))
    frozen = [
        load_file(tmp_path / "one" / "cells" / "frozen-encoder.seed0" / f"{k}.safetensors") for k in (0, 6)
    ]
    moved = {name.split(".")[0] for name in frozen[0] if not torch.equal(frozen[0][name], frozen[1][name])}
    assert moved == {"upsamples", "output_block"}
    html = page.read_text()
    for text in ("Feature reuse", "frozen random encoder", "Seconds per step", "random, transfer (4 pairs)"):
        assert text in html
    assert html.count("data:image/png") == 4
    rerun(tmp_path / "one" / "study.json", tmp_path / "two", "local", Silent())
    for name in ("learning.csv", "rsim.csv", "pairs.csv", "filter-change.csv", "figures/rsim.png"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bases": ()}, "--base"),
        ({"points": 1}, "can be scored"),
        ({"points": 7}, "can be scored"),
        ({"patches": 1, "samples": 5}, "take more patches"),
    ],
)
def test_impossible_settings_are_refused_before_anything_is_trained(models, tmp_path, change, sentence):
    write_examples(tmp_path / "target", 2)
    settings = replace(DynamicsSettings(bases=("tiny",), recipe=QUICK.as_dict(), points=3), **change)
    with pytest.raises(SettingsError, match=sentence):
        run_dynamics(settings, DynamicsData(str(tmp_path / "target")), tmp_path / "x", "local", Silent())
    assert not (tmp_path / "x" / "cells").exists()
