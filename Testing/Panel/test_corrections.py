"""What a person painted or decided is never lost, whatever is pressed next and however fast."""

from __future__ import annotations

import numpy as np
import panel as harness
import pytest
import qt
import slicer
from pressing import choose_model, open_result, press


@pytest.fixture
def found(panel, scan, result):
    """The review of the small patient, a brush in the hand at the first of its four lesions."""
    open_result(panel, scan, result)
    press(panel, "N")
    press(panel, "E")
    return panel.review.session


def paint(panel) -> tuple[int, ...]:
    """Paint a voxel outside all lesions, and do not wait until the table follows."""
    free = tuple(int(v) for v in np.argwhere(~panel.review.session.review.mask)[40_000])
    panel.ui.segmentEditor.paint(free)
    return free


@pytest.mark.parametrize("key", ["A", "C", "M"])
def test_a_stroke_is_kept_when_a_key_follows_at_once(panel, found, key):
    free = paint(panel)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode").SetCrosshairRAS(0.0, -45.0, 0.0)
    press(panel, key)
    assert found.review.mask[free]
    painted = slicer.util.arrayFromSegmentBinaryLabelmap(found.node, "lesion", found.volume)
    assert painted.T[free]


def test_a_stroke_is_kept_when_the_threshold_moves_at_once(panel, found):
    free = paint(panel)
    panel.ui.thresholdSlider.value = 0.3
    harness.wait(lambda: found.review.rule.threshold == 0.3)
    assert found.review.mask[free]


def test_while_the_slider_is_dragged_the_last_place_counts_and_the_mask_follows(panel, found):
    shown = []
    put = found.put
    found.put = lambda masks: (put(masks), shown.append(found.review.rule.threshold))
    for place in (0.8, 0.7, 0.6, 0.4, 0.3):
        panel.ui.thresholdSlider.value = place
    harness.wait(lambda: found.review.rule.threshold == 0.3 and not panel.review.rule._following.waiting)
    assert shown == [0.3]
    drawn = slicer.util.arrayFromSegmentBinaryLabelmap(found.node, "lesion", found.volume).T > 0
    assert np.array_equal(drawn, found.review.mask)
    assert "0.30" in panel.ui.countLabel.text


def test_a_slider_that_moves_on_and_on_does_not_keep_the_mask_from_following(panel, found):
    places = iter(np.linspace(0.7, 0.2, 400).round(3))
    moving = qt.QTimer()
    moving.interval = 5
    moving.timeout.connect(lambda: setattr(panel.ui.thresholdSlider, "value", next(places, 0.2)))
    moving.start()
    harness.wait(lambda: found.review.rule.threshold != 0.5)
    assert next(places, None) is not None, "the slider has not come to its end"
    moving.stop()


def test_the_last_move_of_a_slider_counts_when_the_person_leaves_the_module(panel, found):
    panel.ui.thresholdSlider.value = 0.3
    panel.exit()
    panel.enter()
    assert found.review.rule.threshold == panel.ui.thresholdSlider.value == 0.3


@pytest.mark.parametrize("key", ["A", "C"])
def test_a_key_that_comes_before_the_table_follows_decides_on_the_lesion_that_is_shown(panel, found, key):
    at = panel.review.place.row.voxel
    found.setRule(0.2, 0.0)
    panel.review.rule._following.begin(panel.review.rule._follow())
    press(panel, key)
    assert not panel.review.rule._following.waiting
    decided = [row.voxel for row in found.review.rows if row.decision != "open"]
    assert decided == [at]
    assert panel.ui.lesionTable.rowCount == len(found.review.rows)


def test_undo_right_after_a_stroke_takes_the_stroke_back(panel, found):
    press(panel, "C")
    free = paint(panel)
    press(panel, "U")
    assert not found.review.mask[free]
    assert panel.ui.reviewedLabel.text == "1 / 4 reviewed"


def test_a_case_that_is_filed_right_after_a_stroke_holds_it(panel, found, tmp_path):
    import nibabel as nib

    free = paint(panel)
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    case = panel.logic.addCase(found, tmp_path / "cases", reviewer="R1")
    assert case["lesions"] == 5
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    (mask,) = (tmp_path / "cases").rglob("*_desc-v1_mask.nii.gz")
    assert np.count_nonzero(nib.load(mask).dataobj) == np.count_nonzero(found.review.mask)
    assert found.review.mask[free]

    (kept,) = (tmp_path / "cases").rglob("*_desc-v1_mask.seg.nrrd")
    again = slicer.vtkMRMLSegmentationNode()
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(kept))
    slicer.mrmlScene.AddNode(again)
    assert storage.ReadData(again)
    drawn = slicer.util.arrayFromSegmentBinaryLabelmap(again, "lesion", found.volume).T > 0
    assert np.array_equal(drawn, found.review.mask)


def test_steps_made_in_the_console_can_be_taken_back_in_the_panel(panel, found):
    found.review.reject(2)
    found.show()
    press(panel, "U")
    assert panel.ui.reviewedLabel.text == "0 / 4 reviewed"


def test_the_hide_button_says_what_it_will_do(panel, found):
    press(panel, "H")
    assert panel.ui.visibleButton.text == "Show (H)"
    panel.ui.segmentButton.click()
    harness.wait(lambda: panel.search.row.job is None)
    assert panel.review.session.visible
    assert panel.ui.visibleButton.text == "Hide (H)"


def test_a_threshold_that_the_slider_cannot_show_is_left_alone(panel, found):
    from dataclasses import replace

    found.review.set_rule(replace(found.review.rule, threshold=0.456, minimum_mm3=20.4))
    panel.review.setSession(found)
    assert panel.ui.thresholdSlider.value == pytest.approx(0.46)
    assert not panel.review.rule.moved
    panel.parameters.node.order = type(panel.parameters.node.order).largest
    assert not panel.review.rule.moved
    assert found.review.rule.threshold == 0.456


def test_a_table_that_cannot_be_saved_is_told(panel, found, tmp_path, monkeypatch):
    from MSLesionSegModule.review import exportRow

    nowhere = str(tmp_path / "gone" / "lesions.csv")
    monkeypatch.setattr(exportRow, "fileToSave", lambda *args: nowhere)
    panel.ui.saveTableButton.click()
    assert "could not be saved" in panel.ui.messageLabel.text


def test_the_chosen_models_are_kept_with_the_scene(panel):
    choose_model(panel)
    panel.ui.startComboBox.currentIndex = panel.ui.startComboBox.findData("bright")
    panel.exit()
    assert panel.ui.modelComboBox.currentIndex == 0
    panel.enter()
    assert panel.scans._choice.name == "bright"
    assert panel.train._choice.name == "bright"
    harness.diskRead(panel)
    assert panel.scans._choice.name == "bright", "a new list of models changes no choice"
    panel.ui.taskComboBox.currentIndex = 1
    assert panel.scans._choice.name == ""


def test_little_free_memory_is_told_before_a_search(panel, found, monkeypatch):
    import types

    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(available=2**30))
    panel.ui.segmentButton.click()
    assert panel.ui.messageLabel.text.startswith("Only 1.0 GiB")
    panel.ui.segmentButton.click()
    harness.wait(lambda: panel.search.row.job is None)
    assert panel.review.session is found


def test_a_card_is_shown_as_often_as_one_likes(panel, monkeypatch):
    from pathlib import Path

    import slicer

    shown = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **_: shown.append(text), raising=False)
    panel.ui.cardButton.click()
    (page,) = Path(slicer.app.temporaryPath).glob("MSLesionSeg-*.html")
    page.write_text("an old card")
    panel.ui.cardButton.click()
    assert shown == []
    assert "flair-ms" in page.read_text(encoding="utf-8")


def test_a_task_without_a_model_says_so(panel, scan, monkeypatch):
    import scene as scenes

    monkeypatch.setattr("MSLesionSegLib.network.models.model_tree.list_family", lambda: [])
    harness.diskRead(panel)
    scenes.loadVolume(scan)
    harness.wait(lambda: "no model" in panel.ui.segmentButton.toolTip)
    assert not panel.ui.segmentButton.enabled
    assert panel.ui.modelComboBox.currentText == "In use: none"
