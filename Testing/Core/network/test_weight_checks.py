"""Weights are measured against their card before memory is taken, and must be numbers."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from MSLesionSegLib.errors import ModelError
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import Model, load_model, read_card, save_model, write_card
from MSLesionSegLib.network.models.weight_checks import check_head, expected_tensors, unique_tensors
from MSLesionSegLib.network.sliding_window import predict

TINY = Architecture(feature_maps=4, levels=3)
SIZES = [
    TINY,
    Architecture(feature_maps=8, levels=5, full_resolution_divisor=2, in_channels=3),
    Architecture(kind="unetr", feature_maps=4, patch=32, hidden=48, heads=4),
    Architecture(kind="swinunetr", feature_maps=12),
]


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(2)
    return save_model(tmp_path, build(TINY), ModelCard("mine", "flair", TINY, ("FLAIR",)))


def with_weights(folder, change):
    """Change the tensors of a stored model; the card's checksum follows, as a forger's would."""
    file = folder / "weights.safetensors"
    weights = load_file(file)
    change(weights)
    save_file(weights, file)
    write_card(folder, replace(read_card(folder), weights_sha256=file_sha256(file)))


@pytest.mark.parametrize("architecture", SIZES, ids=lambda a: f"{a.kind}-{a.levels}")
def test_a_network_without_values_has_the_tensors_of_the_real_one(architecture):
    without, real = expected_tensors(architecture), unique_tensors(build(architecture))
    assert {k: (v.shape, v.dtype) for k, v in without.items()} == {
        k: (v.shape, v.dtype) for k, v in real.items()
    }
    assert {value.device.type for value in without.values()} == {"meta"}


@pytest.mark.parametrize(
    "huge",
    [
        {"kind": "unet", "base": 1008, "levels": 5},
        {"kind": "unetr", "hidden": 4096, "heads": 64, "base": 1000, "patch": 512},
        {"kind": "swinunetr", "base": 960},
    ],
)
def test_a_card_that_asks_for_a_huge_network_costs_no_memory(saved, huge):
    file = saved / "card.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "architecture": huge}))
    expected_tensors(TINY)  # what is loaded once for all does not count
    process = psutil.Process()
    before = process.memory_info().rss
    with pytest.raises(ModelError, match="do not fit its architecture"):
        load_model(saved)
    assert process.memory_info().rss - before < 256 << 20


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", [torch.float16, torch.float32, torch.bfloat16])
def test_a_single_weight_that_is_no_number_is_refused(saved, value, kind):
    def spoil(weights):
        name = sorted(weights)[-1]
        weights[name] = weights[name].to(kind)
        weights[name].view(-1)[0] = value

    with_weights(saved, spoil)
    with pytest.raises(ModelError, match="not finite"):
        load_model(saved)


def test_a_network_whose_training_failed_is_not_stored(tmp_path):
    network = build(TINY)
    with torch.no_grad():
        next(network.parameters()).fill_(1e6)  # more than half precision holds
    with pytest.raises(ModelError, match="not finite"):
        save_model(tmp_path, network, ModelCard("mine", "flair", TINY, ("FLAIR",)))
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("kind", [torch.float64, torch.int32, torch.complex64, torch.bool])
def test_weights_of_a_type_that_no_network_has_are_refused(saved, kind):
    def change(weights):
        name = next(iter(weights))
        weights[name] = weights[name].to(kind)

    with_weights(saved, change)
    with pytest.raises(ModelError, match="1 tensors of another type"):
        load_model(saved)


@pytest.mark.parametrize("length", [1 << 40, 64 << 20, 5])
def test_a_head_of_an_impossible_length_is_refused(tmp_path, length):
    file = tmp_path / "weights.safetensors"
    file.write_bytes(struct.pack("<Q", length) + b"{}   ")
    with pytest.raises(ModelError, match=r"not a valid safetensors file|do not fit"):
        check_head(file, TINY, "mine")


def test_nothing_is_counted_from_probabilities_that_are_no_numbers():
    network = build(TINY).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            if "norm" in name and "weight" in name:
                value.fill_(3e38)  # finite, but no computation with it is
    model = Model(ModelCard("wild", "flair", TINY, ("FLAIR",)), network, None)
    head = np.random.default_rng(0).normal(size=(1, 24, 24, 24)).astype(np.float32)
    with pytest.raises(ModelError, match=r"wild.*nothing is counted"):
        predict(model, head, np.ones(head.shape[1:], bool))
