"""A model that is trained further says nothing that was measured of the model that it started from."""

from __future__ import annotations

from MSLesionSegLib.network.models.confidence import Confidence
from MSLesionSegLib.network.models.store import SHIPPED, read_card
from MSLesionSegLib.training.fine_tuning.new_model import new_card
from MSLesionSegLib.training.fine_tuning.recipes import FINE_TUNING
from MSLesionSegLib.training.fine_tuning.request import FineTuning


def test_neither_results_nor_confidence_are_inherited():
    start = read_card(SHIPPED / "flair-ms")
    assert start.results and Confidence.of(start) is not None
    card = new_card(FineTuning("mine", training=(), start="flair-ms"), FINE_TUNING["quick"], start)
    assert card.parent == "flair-ms" and not card.results and Confidence.of(card) is None
