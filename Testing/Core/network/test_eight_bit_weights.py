"""Weights at eight bits: half the size, the same lesions, and the same place in the family."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from model_development.shipping import ship
from MSLesionSegLib.errors import ModelError
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.eight_bit_weights import SCALE, pack, unpack
from MSLesionSegLib.network.models.store import SHIPPED, load_model, read_card, save_model, write_card
from MSLesionSegLib.training.examples.known_patients import known_sources

SMALL = Architecture(feature_maps=16, levels=3)


@pytest.fixture
def trained(tmp_path):
    """A model folder as training writes it."""
    torch.manual_seed(3)
    card = ModelCard("mine", "flair", SMALL, ("FLAIR",), training={"by_source": {"hospital-a": 4}})
    return save_model(tmp_path / "work", build(SMALL), card)


def test_each_value_comes_back_to_half_a_step_of_its_slice():
    torch.manual_seed(5)
    value = torch.randn(6, 40, 3, 3, 3) * torch.logspace(-6, 2, 6).reshape(6, 1, 1, 1, 1)
    value[2] = 0
    weights = {"wide": value, "norm.bias": torch.randn(6), "few": torch.randn(3, 4), "steps": torch.tensor(7)}
    packed = pack(weights)
    assert packed["wide"].dtype == torch.int8 and packed["wide"].abs().max() == 127
    back = unpack(packed)
    assert back.keys() == weights.keys()
    step = value.abs().amax((1, 2, 3, 4), keepdim=True) / 127
    assert ((back["wide"] - value).abs() <= step / 2 * 1.0001).all()
    assert all(torch.equal(back[name], weights[name]) for name in ("norm.bias", "few", "steps"))
    assert all(torch.equal(a, b) for a, b in zip(pack(back).values(), packed.values(), strict=True)), "stable"


def test_a_packed_model_is_half_as_large_and_computes_nearly_the_same(trained, tmp_path):
    packed = ship(trained, tmp_path / "models")
    sizes = [(folder / "weights.safetensors").stat().st_size for folder in (trained, packed)]
    assert sizes[1] < 0.55 * sizes[0]
    x = torch.randn(1, 1, 32, 32, 32)
    with torch.no_grad():
        before, after = (load_model(folder).network(x).sigmoid() for folder in (trained, packed))
    assert (before - after).abs().mean() < 0.005 < before.std() / 10


def test_packing_twice_changes_nothing(trained, tmp_path):
    once = ship(trained, tmp_path / "models")
    files = {path.name: path.read_bytes() for path in once.iterdir()}
    assert ship(once, tmp_path / "models") == once
    assert {path.name: path.read_bytes() for path in once.iterdir()} == files


def test_a_model_trained_from_the_unpacked_weights_still_finds_its_parent(trained, tmp_path, monkeypatch):
    store = tmp_path / "store"
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(store))
    parent = read_card(trained).weights_sha256
    card = ModelCard("child", "flair", SMALL, ("FLAIR",), parent="mine", training={"parent_sha256": parent})
    save_model(store, build(SMALL), card)
    ship(trained, store)
    assert known_sources("child") == {"hospital-a"}
    other = replace(read_card(store / "mine"), earlier_sha256=("0" * 64,))
    write_card(store / "mine", other)
    assert known_sources("child") == set(), "not any model of that name is the parent"


def test_weights_of_one_s_own_under_another_name_are_not_the_earlier_ones(trained, tmp_path):
    packed = load_model(ship(trained, tmp_path / "models"))
    copy = save_model(tmp_path / "store", packed.network, replace(packed.card, name="copy"))
    assert read_card(copy).earlier_sha256 == ()


@pytest.mark.parametrize("change", ["no scales", "wrong number of scales", "no number", "scales of nothing"])
def test_packed_weights_that_are_not_whole_are_refused(trained, tmp_path, change):
    folder = ship(trained, tmp_path / "models")
    file = folder / "weights.safetensors"
    weights = load_file(file)
    name = next(name for name in weights if name.endswith(SCALE))
    if change == "no scales":
        del weights[name]
    elif change == "wrong number of scales":
        weights[name] = weights[name][:-1].contiguous()
    elif change == "no number":
        weights[name][0] = float("nan")
    else:
        weights["output.bias" + SCALE] = torch.ones(1)
    save_file(weights, file)
    write_card(folder, replace(read_card(folder), weights_sha256=file_sha256(file)))
    with pytest.raises(ModelError, match=r"do not fit|not finite"):
        load_model(folder)


@pytest.mark.parametrize("folder", sorted(SHIPPED.glob("*")), ids=lambda folder: folder.name)
def test_every_shipped_model_is_packed(folder):
    kinds = [
        value.dtype for value in load_file(folder / "weights.safetensors").values() if value.numel() >= 4096
    ]
    assert set(kinds) == {torch.int8}, "python -m model_development ship packs it"
    assert load_model(folder).card.earlier_sha256
