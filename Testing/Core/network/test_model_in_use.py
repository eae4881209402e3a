"""Which model is in use: chosen, rolled back, and never one that has gone."""

from __future__ import annotations

import shutil

import pytest

from MSLesionSegLib.errors import ModelError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.model_in_use import (
    active_model,
    model_in_use,
    roll_back,
    use_model,
    warn_if_damaged,
)
from MSLesionSegLib.network.models.model_tree import list_family
from MSLesionSegLib.network.models.store import SHIPPED, find_model, save_model
from MSLesionSegLib.tasks import get_task

TINY = Architecture(feature_maps=4, levels=3)
DEFAULT = get_task("flair").default_model


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path))
    network = build(TINY)
    for name, parent in (("one", "flair-ms"), ("two", "one"), ("other", None)):
        save_model(tmp_path, network, ModelCard(name, "flair", TINY, ("FLAIR",), parent=parent))
    return tmp_path


def test_the_shipped_model_is_in_use_until_the_person_chooses_another(store):
    assert active_model("flair") is None and model_in_use("flair") == DEFAULT
    assert use_model("two") == "flair"
    assert model_in_use("flair") == "two"


def test_rolling_back_goes_step_by_step_to_the_shipped_model(store):
    for name in ("one", "two", "two"):
        use_model(name)
    assert roll_back("flair") == "one"
    assert roll_back("flair") is None
    assert model_in_use("flair") == DEFAULT
    with pytest.raises(ModelError, match="nothing to roll back"):
        roll_back("flair")


def test_a_model_that_has_gone_gives_way_to_the_one_before(store):
    use_model("one")
    use_model("two")
    shutil.rmtree(store / "two")
    assert model_in_use("flair") == "one"


def test_rolling_back_passes_over_a_model_that_has_gone(store):
    for name in ("other", "one", "two"):
        use_model(name)
    shutil.rmtree(store / "two")
    assert roll_back("flair") == "other"
    assert model_in_use("flair") == "other"


def test_unknown_models_and_the_brain_model_cannot_be_chosen(store):
    with pytest.raises(ModelError, match="no model 'yours'"):
        use_model("yours")
    with pytest.raises(ModelError, match="extracts brains"):
        use_model("brain")
    assert model_in_use("flair") == DEFAULT


def test_only_stored_models_are_put_in_use_and_only_with_their_own_weights(store, monkeypatch):
    monkeypatch.chdir(store.parent)
    with pytest.raises(ModelError, match="is a path"):
        use_model(f"./{store.name}/one")
    (store / "one" / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(ModelError, match="damaged"):
        use_model("one")
    assert model_in_use("flair") == DEFAULT and not (store / "active.json").exists()


def test_a_damaged_choice_is_told_and_a_missing_one_is_not(store):
    told = []

    class Listener(Silent):
        def warning(self, code, sentence):
            told.append(sentence)

    warn_if_damaged(Listener())
    use_model("one")
    warn_if_damaged(Listener())
    assert told == []
    (store / "active.json").write_text('{"flair": ["one"')
    warn_if_damaged(Listener())
    assert len(told) == 1 and "active.json is damaged: the shipped models are in use" in told[0]


@pytest.mark.parametrize("content", ["", "[]", '{"flair": 3}', '{"flair": [1, null]}'])
def test_a_damaged_choice_means_the_shipped_model(store, content):
    (store / "active.json").write_text(content)
    assert model_in_use("flair") == DEFAULT
    use_model("one")
    assert model_in_use("flair") == "one"


def test_the_family_stands_below_its_parents(store):
    use_model("two")
    members = {m.card.name: m for m in list_family()}
    assert members["two"].depth == members["one"].depth + 1 == members["flair-ms"].depth + 2
    assert {name for name, m in members.items() if m.in_use} == {"two", "new-ms", "enhancing-ms"}
    assert members["flair-ms"].shipped and not members["one"].shipped
    assert {m.name for m in SHIPPED.iterdir()} <= set(members)


def test_parents_in_a_circle_do_not_hide_a_model(store):
    network = build(TINY)
    for name, parent in (("egg", "hen"), ("hen", "egg")):
        save_model(store, network, ModelCard(name, "flair", TINY, ("FLAIR",), parent=parent))
    names = [m.card.name for m in list_family()]
    assert sorted(names) == sorted(set(names)) and {"egg", "hen"} <= set(names)
    assert find_model("egg").parent == store
