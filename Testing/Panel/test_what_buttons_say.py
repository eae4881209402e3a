"""A button that cannot be pressed says why, and what was done is told with what is left to do."""

from __future__ import annotations

import panel as harness
from pressing import open_result, press


def test_buttons_of_models_say_why_they_cannot_be_pressed(panel):
    from MSLesionSegLib.network.models.model_in_use import use_model

    ui = panel.ui
    assert not ui.exportModelButton.enabled and "Select" in ui.exportModelButton.toolTip
    names = [ui.modelTable.item(i, 0).text().strip() for i in range(ui.modelTable.rowCount)]
    ui.modelTable.selectRow(names.index("bright"))
    assert ui.exportModelButton.enabled
    assert not ui.rollbackButton.enabled and "none before it" in ui.rollbackButton.toolTip
    use_model("bright")
    harness.diskRead(panel)
    ui.modelTable.selectRow(names.index("bright"))
    assert ui.rollbackButton.enabled
    assert not ui.useModelButton.enabled and "in use" in ui.useModelButton.toolTip


def test_copied_text_tells_how_many_lesions_are_not_reviewed(panel, scan, result):
    open_result(panel, scan, result)
    press(panel, "A")
    panel.ui.copyButton.click()
    assert "3 of 4 lesions are not reviewed" in panel.ui.messageLabel.text
