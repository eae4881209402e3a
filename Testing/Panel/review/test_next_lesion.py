"""The lesion that is decided upon is the one on the screen, and the next one is one that is not reviewed."""

from __future__ import annotations

import layout as layouts
import numpy as np
import pytest
import scene as scenes
import slicer
from MSLesionSegModule.review.keys import helpText
from MSLesionSegModule.views.inView import isInView
from pressing import decisions, listening, open_result, press, save_and_load
from PySide6 import QtCore, QtGui, QtWidgets

ONE_VIEW = 6


@pytest.fixture
def found(panel, scan, result):
    open_result(panel, scan, result)
    return panel.review.session


@pytest.fixture
def view():
    """The only slice view of the layout."""
    layouts.manager().setLayout(ONE_VIEW)
    node = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    node.SetDimensions(300, 300, 1)
    node.SetFieldOfView(150, 150, 1)
    return node


def shows(found, row) -> bool:
    return isInView(*found.voxelsInWorld(row.lesion.id))


def test_undo_goes_back_to_the_lesion_that_it_is_about(panel, view, found):
    press(panel, "N")
    first = panel.review.place.row
    press(panel, "C")
    assert panel.review.place.row.lesion.id != first.lesion.id
    assert not shows(found, first)
    press(panel, "U")
    assert panel.review.place.row == first
    assert shows(found, first)


def test_a_missed_lesion_is_shown_when_it_is_marked(panel, view, found):
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode").SetCrosshairRAS(0.0, -45.0, 0.0)
    view.SetSliceOffset(30)
    press(panel, "M")
    assert shows(found, panel.review.place.row)


@pytest.mark.parametrize("key", ["A", "C"])
def test_a_lesion_that_no_view_shows_is_shown_before_it_is_decided_upon(panel, view, found, key):
    press(panel, "N")
    row = panel.review.place.row
    view.SetSliceOffset(view.GetSliceOffset() + 25)
    press(panel, key)
    assert decisions(panel) == ["open"] * 4
    assert panel.review.place.row == row and shows(found, row)
    press(panel, key)
    assert sum(decision != "open" for decision in decisions(panel)) == 1


def test_a_view_beside_the_lesion_does_not_show_it(panel, view, found):
    row = found.review.rows[0]
    right, anterior, superior = row.lesion.centre_ras
    view.JumpSliceByCentering(right, anterior, superior)
    assert shows(found, row)
    view.JumpSliceByCentering(right + 90, anterior, superior)
    assert not shows(found, row)


def test_without_a_slice_view_in_the_layout_decisions_are_taken(panel, view, found):
    view.SetMappedInLayout(0)
    press(panel, "N")
    press(panel, "C")
    assert decisions(panel).count("rejected") == 1


def test_the_next_lesion_is_one_that_is_not_reviewed_and_then_it_ends(panel, found):
    shown = [row.lesion.id for row in panel.review.place.rows]

    def at() -> int:
        return shown.index(panel.review.place.row.lesion.id)

    assert at() == 0, "the first lesion is selected when the review begins"
    press(panel, "N")
    press(panel, "C")
    assert at() == 2
    press(panel, "P")
    assert at() == 1, "Previous goes back by one, reviewed or not"
    press(panel, "P")
    press(panel, "A")
    assert at() == 2, "the rejected one is passed over"
    press(panel, "N")
    press(panel, "C")
    assert at() == 2, "from the end on with what is still open"
    press(panel, "A")
    assert panel.ui.reviewedLabel.text == "All 4 reviewed: add this case, or take the next patient."
    done, steps = decisions(panel), len(found.review._undo)
    for key in "AACA":
        press(panel, key)
    assert decisions(panel) == done and len(found.review._undo) == steps
    assert not panel.ui.acceptButton.enabled
    press(panel, "U")
    assert panel.ui.reviewedLabel.text == "3 / 4 reviewed"


def test_next_and_previous_walk_through_a_reviewed_table_and_stop_at_its_ends(panel, found):
    press(panel, "N")
    for _ in range(4):
        press(panel, "A")
    seen = []
    for key in "NNNNNPPPPP":
        press(panel, key)
        seen.append(panel.ui.lesionTable.currentRow())
    assert seen == [0, 1, 2, 3, 3, 2, 1, 0, 0, 0]


def test_the_question_before_adding_names_what_is_open_and_goes_there(panel, found, tmp_path, monkeypatch):
    asked = []

    def no(text, *_args, **_kwargs):
        asked.append((text, panel.review.place.row.lesion.id))
        return False

    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", no)
    panel.ui.casesFolderButton.directory = str(tmp_path / "cases")
    press(panel, "N")
    for _ in range(3):
        press(panel, "C")
    (unreviewed,) = (row.lesion.id for row in found.review.rows if row.decision == "open")
    panel.ui.addCaseButton.click()
    assert asked == [(f"1 of 4 lesions were not reviewed: {unreviewed}. Add the case as it is?", unreviewed)]
    assert not (tmp_path / "cases").exists()


def test_a_painted_spot_needs_no_review_of_its_own(panel, found):
    press(panel, "N")
    press(panel, "E")
    panel.ui.segmentEditor.paint(tuple(int(v) for v in np.argwhere(~found.review.mask)[40_000]))
    for _ in range(4):
        press(panel, "A")
    assert panel.ui.reviewedLabel.text.startswith("All 5 reviewed")


def test_the_table_shows_the_same_numbers_after_every_key(panel, found):
    def numbers():
        rows = range(panel.ui.lesionTable.rowCount)
        places = [row.voxel for row in panel.review.place.rows]
        return {places[row]: panel.ui.lesionTable.item(row, 0).text() for row in rows}

    before = numbers()
    press(panel, "N")
    for key in "CACUUCNA":
        press(panel, key)
        assert numbers() == before


def test_an_outline_that_is_drawn_keeps_its_keys(panel, found):
    press(panel, "N")
    press(panel, "2")
    assert panel.ui.segmentEditor.activeEffectName() == "Draw"
    assert not {"A", "X"} & set(listening(panel))
    assert {"U", "N", "Esc"} <= set(listening(panel))
    press(panel, "Esc")
    assert {"A", "X"} <= set(listening(panel))


def test_no_key_of_slicers_slice_views_is_taken_and_the_help_names_all_of_ours(panel, found):
    keys = set(listening(panel))
    assert not keys & {"B", "F", "G", "R", "T", "V", "[", "]", "{", "}", "Left", "Right", "Up", "Down"}
    assert all(f"<b>{key}</b>" in helpText() for key in keys)
    assert all(len(shortcuts) == 1 for shortcuts in listening(panel).values())


def marked(name: str = "MSLesionSeg marks") -> dict[str, tuple[float, ...]]:
    """Colours of the lesions that are drawn one by one, by their number."""
    node = slicer.mrmlScene.GetFirstNodeByName(name)
    parts = [] if node is None else node.GetSegmentation().GetSegmentIDs()
    seen = [part for part in parts if node.GetDisplayNode().GetSegmentVisibility(part)]
    return {part: node.GetSegmentation().GetSegment(part).GetColor() for part in seen}


def test_the_current_lesion_has_a_colour_of_its_own_and_decided_ones_are_drawn_too(panel, found):
    press(panel, "N")
    first = str(panel.review.place.number)
    assert list(marked()) == [first]
    current = marked()[first]
    press(panel, "A")
    second = str(panel.review.place.number)
    assert marked()[second] == current
    accepted = marked()[first]
    press(panel, "C")
    assert len({current, accepted, marked()[second]}) == 3
    press(panel, "U")
    assert marked()[second] == current


def test_what_is_drawn_of_single_lesions_is_not_saved_and_goes_with_the_module(panel, found, tmp_path):
    assert marked()
    save_and_load(tmp_path)
    assert slicer.mrmlScene.GetNodesByName("MSLesionSeg marks").GetNumberOfItems() == 1
    panel.exit()
    assert not marked()
    panel.enter()


def test_a_key_that_is_held_hides_the_lesions_until_it_is_let_go(panel, found, monkeypatch):
    from MSLesionSegModule.widgets import heldKey

    def release():
        event = QtGui.QKeyEvent(QtCore.QEvent.KeyRelease, QtCore.Qt.Key_H, QtCore.Qt.NoModifier)
        QtWidgets.QApplication.sendEvent(panel.parent, event)

    monkeypatch.setattr(heldKey, "_TAP_S", 60.0)
    press(panel, "H")
    press(panel, "H")  # as the keyboard repeats it
    assert not found.visible
    release()
    assert not found.visible, "a short tap"
    press(panel, "H")
    release()
    assert found.visible
    monkeypatch.setattr(heldKey, "_TAP_S", 0.0)
    press(panel, "H")
    assert not found.visible
    release()
    assert found.visible


def test_a_click_on_the_row_that_is_selected_shows_its_lesion_again(panel, view, found):
    press(panel, "N")
    view.SetSliceOffset(view.GetSliceOffset() + 25)
    panel.ui.lesionTable.cellClicked.emit(0, 2)
    assert shows(found, panel.review.place.row)


def test_a_header_sorts_the_table_until_another_order_is_chosen(panel, found):
    def volumes():
        return [row.lesion.volume_mm3 for row in panel.review.place.rows]

    before = volumes()
    header = panel.ui.lesionTable.horizontalHeader()
    header.sectionClicked.emit(3)
    assert volumes() == sorted(before, reverse=True)
    header.sectionClicked.emit(3)
    assert volumes() == sorted(before)
    panel.review.place.goTo(0)
    assert panel.ui.lesionTable.item(0, 0).text() == str(panel.review.place.number)
    panel.ui.orderComboBox.currentIndex = 2
    panel.ui.orderComboBox.currentIndex = 0
    assert volumes() == before


def test_a_key_goes_to_the_next_lesion_that_is_not_reviewed(panel, found):
    press(panel, "N")
    press(panel, "A")
    panel.review.place.goTo(0)
    press(panel, "O")
    assert panel.review.place.index == 2


def test_a_review_makes_room_for_itself_and_gives_it_back(panel, found):
    ui = panel.ui
    assert ui.inputsCollapsibleButton.collapsed and ui.segmentCollapsibleButton.collapsed
    assert not ui.lesionsCollapsibleButton.collapsed
    scenes.clear()
    assert not ui.inputsCollapsibleButton.collapsed and not ui.segmentCollapsibleButton.collapsed


def test_enter_in_a_text_field_gives_the_keys_back_to_the_review(panel, found):
    panel.parent.show()
    panel.ui.casesCollapsibleButton.collapsed = False
    panel.ui.reviewerEdit.setFocus()
    panel.ui.reviewerEdit.returnPressed.emit()
    assert QtWidgets.QWidget.focusWidget(panel.parent) is panel.ui.lesionTable
    panel.parent.hide()


def test_a_key_takes_the_scan_through_windows_and_back(panel, found):
    display = found.volume.GetDisplayNode()
    press(panel, "W")
    brain = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    press(panel, "W")
    assert display.GetWindowLevelMin() > brain[0]
    assert not display.GetAutoWindowLevel()
    press(panel, "W")
    assert display.GetAutoWindowLevel()
