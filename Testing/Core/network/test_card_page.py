"""A model's card as a page: what was measured is read as a table where it is one."""

from __future__ import annotations

from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.card_page import card_html
from MSLesionSegLib.network.models.store import SHIPPED, read_card


def test_the_shipped_model_tells_sensitivity_and_f1_by_lesion_size_beside_dice():
    page = card_html(read_card(SHIPPED / "flair-ms"))
    assert "<td>Dice</td>" in page and '<th class="n">sensitivity</th><th class="n">F1</th>' in page
    assert "<td>30 to 100 mm3</td>" in page and "{" not in page.split("<body>")[1]


def test_results_that_are_no_table_stay_a_line():
    results = {"by site": {"a": {"dice": 0.5}, "b": {"f1": 0.25}}, "<i>odd</i>": {}}
    card = ModelCard("mine", "flair", Architecture(feature_maps=4, levels=3), ("FLAIR",), results=results)
    page = card_html(card)
    assert "a: dice: 0.5, b: f1: 0.25" in page and "&lt;i&gt;odd&lt;/i&gt;" in page
