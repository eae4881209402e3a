"""The page of keys and the panel's own list name the same keys."""

from __future__ import annotations

from pathlib import Path

import slicer
from MSLesionSegModule.review.keys import listed
from pressing import listening, press

PAGE = Path(__file__).parents[3] / "docs" / "keys.md"


def test_the_page_of_keys_has_every_key_once_and_no_other(panel):
    rows = [
        line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    named = [key.strip() for row in rows[1:] for key in row.split(",")]
    assert sorted(named) == sorted(listed())
    assert set(named) == set(listening(panel)), "the panel listens to these"


def test_the_keys_are_shown_without_a_review_too(panel, monkeypatch):
    shown = []
    monkeypatch.setattr(slicer.util, "infoDisplay", shown.append)
    press(panel, "?")
    panel.ui.keysButton.click()
    assert len(shown) == 2 and "<b>Space</b>" in shown[0]
