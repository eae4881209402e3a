"""A model on disk is what its card says, or it is refused with the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from MSLesionSegLib.errors import ModelError, OutputError
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.card_checks import check_card
from MSLesionSegLib.network.models.store import (
    SHIPPED,
    find_model,
    list_models,
    load_model,
    read_card,
    save_model,
    write_card,
)
from MSLesionSegLib.tasks import TASKS

TINY = Architecture(feature_maps=4, levels=3)


@pytest.fixture
def saved(tmp_path, monkeypatch):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path))
    torch.manual_seed(1)
    network = build(TINY).eval()
    card = ModelCard(
        "mine", "flair", TINY, ("FLAIR",), parent="flair-ms", recipe={"steps": 3}, limits="none known"
    )
    return save_model(tmp_path, network, card), network


def test_a_saved_model_computes_the_same_after_loading(saved):
    folder, network = saved
    model = load_model("mine", task="flair")
    x = torch.randn(1, 1, 16, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model.network(x), network.half().float()(x), atol=1e-4, rtol=1e-3)
    assert not model.network.training
    assert model.folder == folder


def test_the_card_comes_back_whole_with_date_version_and_checksum(saved):
    card = read_card(saved[0])
    assert card.parent == "flair-ms" and card.recipe == {"steps": 3} and card.architecture == TINY
    assert card.created and card.code_version and len(card.weights_sha256) == 64


def test_a_model_is_never_overwritten(saved):
    folder, network = saved
    before = (folder / "weights.safetensors").read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        save_model(folder.parent, network, read_card(folder))
    assert (folder / "weights.safetensors").read_bytes() == before
    assert [p.name for p in folder.parent.iterdir()] == ["mine"]


def test_user_models_are_listed_beside_the_shipped_ones(saved):
    assert "mine" in [card.name for card in list_models()]
    assert find_model("mine") == saved[0]


def test_an_unknown_model_is_refused_with_the_list_of_known_ones(saved):
    with pytest.raises(ModelError, match="mine"):
        find_model("yours")


def test_a_folder_of_the_working_directory_is_not_taken_for_a_model_of_its_name(saved, tmp_path, monkeypatch):
    here = tmp_path / "here"
    (here / "mine").mkdir(parents=True)
    (here / "other").mkdir()
    monkeypatch.chdir(here)
    assert find_model("mine") == saved[0]
    with pytest.raises(ModelError, match="no model 'other'"):
        find_model("other")


def test_a_path_is_a_path_object_or_has_a_separator(saved, monkeypatch):
    monkeypatch.chdir(saved[0].parent)
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(saved[0].parent / "elsewhere"))
    assert find_model(Path("mine")) == Path("mine")
    assert read_card(find_model("./mine")).name == "mine"
    with pytest.raises(ModelError, match="no model folder"):
        find_model("./yours")


def test_the_thickness_of_a_network_is_stored_and_comes_back(saved):
    folder, _ = saved
    thin = replace(TINY, full_resolution_divisor=2)
    other = save_model(folder.parent, build(thin), replace(read_card(folder), name="thin", architecture=thin))
    assert read_card(other).architecture == thin
    assert load_model("thin").card.architecture.full_resolution_divisor == 2


@pytest.mark.parametrize("folder", sorted(SHIPPED.iterdir()), ids=lambda folder: folder.name)
def test_a_card_is_written_as_it_was_read(folder):
    stored = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    del stored["format"]
    written = json.loads(json.dumps(read_card(folder).as_dict()))
    assert written | stored == written
    assert list(written["architecture"]) == list(stored["architecture"])


def test_cards_from_before_there_were_thin_networks_can_be_read(saved):
    file = saved[0] / "card.json"
    content = json.loads(file.read_text())
    del content["architecture"]["thin"]
    file.write_text(json.dumps(content))
    assert load_model("mine").card.architecture.full_resolution_divisor == 1


@pytest.mark.parametrize("name", ["../mine", "a/b", "", "x y"])
def test_names_that_are_no_folder_names_are_refused(tmp_path, name):
    with pytest.raises(ModelError):
        save_model(tmp_path, build(TINY), ModelCard(name, "flair", TINY, ("FLAIR",)))


def test_a_model_of_another_task_is_refused(saved):
    with pytest.raises(ModelError, match=r"'flair'.*'new'"):
        load_model("mine", task="new")


def test_damaged_weights_are_refused(saved):
    file = saved[0] / "weights.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 255
    file.write_bytes(data)
    with pytest.raises(ModelError, match="checksum"):
        load_model("mine")


def test_a_file_that_is_no_safetensors_is_refused(saved):
    folder = saved[0]
    (folder / "weights.safetensors").write_bytes(b"not weights")
    write_card(folder, replace(read_card(folder), weights_sha256=""))
    with pytest.raises(ModelError, match="safetensors"):
        load_model("mine")


def test_a_pickle_is_refused_with_the_reason(saved):
    folder = saved[0]
    (folder / "weights.safetensors").unlink()
    torch.save({"a": torch.zeros(1)}, folder / "weights.pt")
    with pytest.raises(ModelError, match=r"weights\.pt is refused"):
        load_model("mine")


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": Architecture(feature_maps=8, levels=3)},
        {"architecture": Architecture(feature_maps=4, levels=4)},
    ],
)
def test_weights_of_another_architecture_are_refused(saved, change):
    folder = saved[0]
    write_card(folder, replace(read_card(folder), **change))
    with pytest.raises(ModelError, match="do not fit"):
        load_model("mine")


def test_a_card_whose_channels_disagree_with_its_network_is_refused(saved):
    folder = saved[0]
    write_card(folder, replace(read_card(folder), channels=("pre", "post")))
    with pytest.raises(ModelError, match="2 input channels"):
        load_model("mine")


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '{"format": 99}', '{"format": 1, "architecture": {"kind": 1}}']
)
def test_a_broken_card_is_refused_and_left_out_of_the_list(saved, content):
    (saved[0] / "card.json").write_text(content)
    with pytest.raises(ModelError):
        read_card(saved[0])
    assert "mine" not in [card.name for card in list_models()]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"channels": ["T1w"]}, "gives its network flair, but it wants T1w"),
        ({"task": "foo"}, "no task 'foo'"),
        ({"task": ["flair"]}, "no task"),
        ({"threshold": "abc"}, "threshold must be a number from 0 to 1, not 'abc'"),
        ({"threshold": -1}, "threshold"),
        ({"threshold": float("nan")}, "NaN, which is not a number"),
        ({"minimum_peak": True}, "minimum_peak"),
        ({"minimum_mm3": -5}, "minimum_mm3"),
        ({"spacing_mm": 0}, "spacing_mm"),
        ({"activation": "foo"}, "no activation 'foo', only sigmoid, normalised-relu"),
        ({"results": "x"}, "results"),
        ({"results": {"gate": "x"}}, "verdict"),
        ({"training": 3}, "training"),
        ({"parent": 3}, "parent"),
        ({"flips": "no"}, "flips"),
        ({"name": 5}, "cannot be a model name"),
        ({"format": "x"}, "mine cannot be read"),
        ({"architecture": {"kind": "foo"}}, "kind 'foo'"),
        ({"architecture": {"base": 999_999}}, "base must be a whole number from 1 to 1024"),
        ({"architecture": {"levels": "3"}}, "levels"),
    ],
)
def test_a_card_with_an_impossible_value_is_refused_with_a_sentence_without_a_path(saved, change, reason):
    file = saved[0] / "card.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ModelError, match=reason) as refused:
        read_card(saved[0])
    assert str(saved[0].parent) not in str(refused.value)
    assert "mine" not in [card.name for card in list_models()]


@pytest.mark.parametrize(
    ("task", "channels"),
    [(task.name, names) for task in TASKS.values() for names in (task.channels, *task.other_channels)],
)
def test_a_card_may_name_the_channels_of_its_task_as_the_table_does(task, channels):
    check_card(ModelCard("mine", task, Architecture(in_channels=len(channels)), channels))


@pytest.mark.parametrize("name", ["flair-ms", "brain", "Flair-MS"])
def test_the_name_of_a_shipped_model_is_refused_for_the_users_own(saved, tmp_path, name):
    card = ModelCard(name, "flair", TINY, ("FLAIR",))
    with pytest.raises(OutputError, match="came with the program"):
        save_model(tmp_path, saved[1], card)
    assert not (tmp_path / name).exists()
    assert save_model(tmp_path / "elsewhere", saved[1], card).name == name  # where nobody looks for models


def test_cards_may_hold_fields_of_later_versions(saved):
    file = saved[0] / "card.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "colour": "blue"}))
    assert read_card(saved[0]).name == "mine"
