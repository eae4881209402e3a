"""Models between hospitals, and their cards, as a person asks for them in the panel."""

from __future__ import annotations

from pathlib import Path

import panel as harness
import pytest
import slicer
from MSLesionSegModule.sections import modelsSection


@pytest.fixture
def answers(monkeypatch) -> dict[str, str]:
    """What a person answers to the dialogs; ``proposed`` keeps the name that was offered."""
    given = {"file": "", "name": ""}

    def name_to_give(title, question, proposed):
        given["proposed"] = proposed
        return given["name"] or proposed

    monkeypatch.setattr(modelsSection, "fileToOpen", lambda title, kinds: given["file"])
    monkeypatch.setattr(modelsSection, "fileToSave", lambda title, name, kinds: given["file"])
    monkeypatch.setattr(modelsSection, "nameToGive", name_to_give)
    return given


def listed(panel) -> list[str]:
    harness.wait(lambda: panel.models.job is None)
    harness.diskRead(panel)
    table = panel.ui.modelTable
    return [table.item(i, 0).text().strip() for i in range(table.rowCount)]


def select(panel, name: str) -> None:
    panel.ui.modelTable.selectRow(listed(panel).index(name))


def test_a_model_is_saved_and_imported_under_a_name_that_is_free(panel, answers, tmp_path):
    answers["file"] = str(tmp_path / "bright.zip")
    select(panel, "bright")
    panel.ui.exportModelButton.click()
    assert not panel.ui.importModelButton.enabled and "Wait" in panel.ui.importModelButton.toolTip
    harness.wait(lambda: panel.models.job is None)
    assert panel.ui.modelsMessageLabel.text == "The model was saved."

    panel.ui.importModelButton.click()
    assert answers["proposed"] == "bright-2"
    assert "bright-2" in listed(panel)
    assert panel.ui.modelsMessageLabel.text == "The model was imported as bright-2."
    answers["name"] = "hospital-b"
    panel.ui.importModelButton.click()
    assert answers["proposed"] == "bright-3"
    assert "hospital-b" in listed(panel)


def test_a_name_that_is_taken_is_refused_without_words_of_the_command_line(panel, answers, tmp_path):
    answers["file"] = str(tmp_path / "bright.zip")
    select(panel, "bright")
    panel.ui.exportModelButton.click()
    harness.wait(lambda: panel.models.job is None)
    answers["name"] = "bright"
    panel.ui.importModelButton.click()
    harness.wait(lambda: panel.models.job is None)
    assert (
        "exists already" in panel.ui.modelsMessageLabel.text and "--" not in panel.ui.modelsMessageLabel.text
    )


def test_what_is_no_model_is_refused_before_a_name_is_asked_for(panel, answers, tmp_path):
    (tmp_path / "notes.zip").write_text("no zip file")
    answers["file"] = str(tmp_path / "notes.zip")
    panel.ui.importModelButton.click()
    assert panel.models.job is None and "proposed" not in answers
    assert "not a model" in panel.ui.modelsMessageLabel.text


def test_where_no_browser_opens_the_panel_says_where_the_card_lies(panel):
    select(panel, "bright")
    panel.ui.showCardButton.click()
    (page,) = Path(slicer.app.temporaryPath).glob("MSLesionSeg-bright.html")
    assert str(page) in panel.ui.modelsMessageLabel.text
