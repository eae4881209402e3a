"""A lesion is corrected with tools beside the table, whose rows stay where they are meanwhile."""

from __future__ import annotations

import math

import numpy as np
import panel as harness
import pytest
from pressing import open_result, press


@pytest.fixture
def found(panel, scan, result):
    """The review of the small patient, at the first of its four lesions."""
    open_result(panel, scan, result)
    return panel.review.session


def tool(panel) -> str:
    return panel.ui.segmentEditor.activeEffectName()


def lesions(panel) -> list[str]:
    table = panel.ui.lesionTable
    return [table.item(row, 0).text() for row in range(table.rowCount)]


def test_tools_take_the_place_of_the_tables_order_and_give_it_back(panel, found):
    ui = panel.ui
    assert ui.toolRow.isHidden() and not ui.orderRow.isHidden()
    for key, name, button in (("E", "Paint", ui.paintButton), ("D", "Draw", ui.drawButton)):
        press(panel, key)
        assert tool(panel) == name and button.checked
        assert not ui.toolRow.isHidden() and ui.orderRow.isHidden()
        assert ui.editorCollapsibleButton.collapsed
    ui.eraseButton.click()
    assert tool(panel) == "Erase" and [ui.paintButton.checked, ui.drawButton.checked] == [False, False]
    ui.doneButton.click()
    assert tool(panel) == "" and ui.toolRow.isHidden() and not ui.orderRow.isHidden()


def test_a_tool_that_needs_settings_opens_the_editor_that_has_them(panel, found):
    press(panel, "5")
    assert tool(panel) == "Islands" and not panel.ui.editorCollapsibleButton.collapsed


def test_s_erases_at_the_lesion_that_the_person_is_at(panel, found):
    press(panel, "S")
    assert tool(panel) == "Erase"
    assert panel.ui.segmentEditor.currentSegmentID() == panel.review.place.row.state


def test_the_brush_is_a_third_of_the_lesion_whatever_the_views_show(panel, found):
    for _row in found.review.rows:
        press(panel, "E")
        node = panel.ui.segmentEditor.mrmlSegmentEditorNode()
        diameter = (6 * panel.review.place.row.lesion.volume_mm3 / math.pi) ** (1 / 3)
        assert node.GetAttribute("BrushDiameterIsRelative") == "0"
        brush = float(node.GetAttribute("BrushAbsoluteDiameter"))
        assert brush == pytest.approx(min(max(diameter / 3, 2.0), 8.0), abs=0.06)
        assert panel.ui.brushSpinBox.value == brush
        press(panel, "N")


def test_the_size_of_the_brush_follows_the_box_and_the_mouse_wheel_and_stays_with_another_tool(panel, found):
    press(panel, "E")
    node = panel.ui.segmentEditor.mrmlSegmentEditorNode()
    panel.ui.brushSpinBox.value = 4.5
    assert float(node.GetAttribute("BrushAbsoluteDiameter")) == 4.5
    node.SetAttribute("BrushAbsoluteDiameter", "6")
    assert panel.ui.brushSpinBox.value == 6.0
    press(panel, "S")
    assert panel.ui.brushSpinBox.value == 6.0


def test_the_row_keeps_its_place_while_it_is_painted(panel, found):
    panel.ui.orderComboBox.currentIndex = 2  # largest first
    before = lesions(panel)
    while panel.review.place.index != len(before) - 1:
        press(panel, "N")
    press(panel, "E")
    grown = panel.review.place.number
    seeds = found.review.voxels_of(grown)
    size = max(row.lesion.volume_mm3 for row in found.review.rows)
    mask = found.review.mask.copy()
    low, high = seeds.min(axis=0) - 8, seeds.max(axis=0) + 9
    mask[tuple(slice(max(a, 0), b) for a, b in zip(low, high, strict=True))] = True
    found.put({"lesion": mask})
    panel.review._editing._painted()
    assert max(row.lesion.volume_mm3 for row in found.review.rows) > size
    assert lesions(panel) == [name for name in before if name in lesions(panel)]
    press(panel, "Esc")
    harness.wait(lambda: lesions(panel)[0] == str(panel.review.place.number))
    assert np.all(found.review.mask == mask)


def test_words_above_the_table_take_their_room_from_it(panel, found):
    table, remarks = panel.ui.lesionTable, found.record["remarks"]
    remarks.clear()
    panel.review.update()
    before = table.minimumHeight
    remarks.append("The FLAIR has slices of 4 mm.")
    panel.review.update()
    assert before - table.minimumHeight == panel.ui.remarksLabel.heightForWidth(table.width)
