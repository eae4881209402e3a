"""A model knows the patients that it, or any of its ancestors, was trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import SHIPPED, save_model
from MSLesionSegLib.training.examples.example import Example
from MSLesionSegLib.training.examples.known_patients import nearest_untouched, patient_codes

TINY = Architecture(feature_maps=4, levels=3)


def cases(labels: str) -> list[Example]:
    return [Example(Path(f"sub-{label}_ses-01_flair_0123"), "here") for label in labels]


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path))
    network = build(TINY)
    for name, parent, training in (
        ("first", "flair-ms", {"patients": patient_codes(cases("a"))}),
        ("second", "first", {"patients": patient_codes(cases("b"))}),
        ("third", "second", {"patients": patient_codes(cases("cd"))}),
        ("silent", "flair-ms", {}),
        ("heir", "silent", {"patients": []}),
        ("orphan", "gone", {"patients": []}),
        ("replaced", "first", {"patients": [], "parent_sha256": "0" * 64}),
    ):
        save_model(
            tmp_path, network, ModelCard(name, "flair", TINY, ("FLAIR",), parent=parent, training=training)
        )
    return tmp_path


@pytest.mark.parametrize(
    ("labels", "found"),
    [("x", "third"), ("dx", "second"), ("b", "first"), ("bd", "first"), ("ad", "flair-ms")],
)
def test_the_nearest_model_is_found_whose_whole_line_never_saw_a_patient(store, labels, found):
    root = SHIPPED if found == "flair-ms" else store
    assert nearest_untouched("third", cases(labels)) == root / found


@pytest.mark.parametrize("model", ["silent", "heir"])
def test_a_card_that_does_not_list_its_patients_is_not_trusted(store, model):
    assert nearest_untouched(model, cases("x")) == SHIPPED / "flair-ms"


@pytest.mark.parametrize("model", ["orphan", "replaced", "unheard-of"])
def test_a_line_with_a_missing_or_another_ancestor_tells_nothing(store, model):
    assert nearest_untouched(model, cases("x")) is None


def test_a_card_holds_no_label_of_a_patient():
    codes = patient_codes(cases("ba"))
    assert codes == patient_codes(cases("ab")) and len(codes) == 2
    assert not any("sub-" in code for code in codes)
