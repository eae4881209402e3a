"""The panel from the first scan to the filed case, as a person presses it."""

from __future__ import annotations

import csv
import os

import nibabel as nib
import numpy as np
import panel as harness
import pytest
import qt
import scene as scenes
import slicer
from MSLesionSegModule.scene import volumes
from pressing import choose_model, decisions, find_lesions, open_result, press, settle


def test_without_a_scan_the_button_says_what_is_missing(panel):
    assert not panel.ui.segmentButton.enabled
    assert "FLAIR" in panel.ui.segmentButton.toolTip
    assert not panel.ui.acceptButton.enabled
    assert not panel.ui.addCaseButton.enabled


def test_an_editor_without_a_review_shows_nothing_in_the_views_of_a_new_layout(panel):
    assert panel.ui.segmentEditor.mrmlSegmentEditorNode() is None
    assert panel.ui.segmentEditor.autoShowSourceVolumeNode is False


def test_every_control_has_a_tooltip(panel):
    kinds = (
        qt.QPushButton,
        qt.QComboBox,
        qt.QCheckBox,
        qt.QSpinBox,
        qt.QLineEdit,
        qt.QTableWidget,
        qt.QProgressBar,
    )
    bare = [
        name
        for name, widget in vars(panel.ui).items()
        if isinstance(widget, kinds) and name and not widget.toolTip
    ]
    assert [name for name in bare if not name.startswith("qt_")] == []


def test_scans_are_proposed_by_name_and_inputs_follow_the_task(panel, scan):
    volume = scenes.loadVolume(scan)
    harness.wait(lambda: panel.ui.flairSelector.currentNode() is volume)
    panel.ui.taskComboBox.currentIndex = 1
    assert panel.ui.flairSelector.isHidden() and not panel.ui.followupSelector.isHidden()
    assert not panel.ui.segmentButton.enabled
    panel.ui.taskComboBox.currentIndex = 0
    assert panel.ui.segmentButton.enabled


def test_a_selector_that_was_cleared_stays_so(panel, load):
    flair = load("sub-01_FLAIR")
    selector = panel.ui.flairSelector
    harness.wait(lambda: selector.currentNode() is flair)
    selector.setCurrentNode(None)
    load("sub-01_T1w")
    settle(panel)
    panel.exit()
    panel.enter()
    panel.focus.look()
    assert selector.currentNode() is None
    assert "Choose the FLAIR" in panel.ui.segmentButton.toolTip
    selector.setCurrentNode(flair)
    assert panel.ui.segmentButton.enabled


def test_a_scan_is_segmented_reviewed_and_filed(panel, scan, tmp_path):
    find_lesions(panel, scan)
    assert panel.ui.lesionTable.rowCount == 4
    assert panel.ui.reviewedLabel.text == "0 / 4 reviewed"
    assert "26-connected" in panel.ui.countLabel.text

    press(panel, "N")
    first = panel.review.place.row
    press(panel, "A")
    press(panel, "C")
    assert panel.ui.reviewedLabel.text == "2 / 4 reviewed"
    assert sorted(decisions(panel)) == ["accepted", "open", "open", "rejected"]
    assert next(r for r in panel.review.session.review.rows if r.voxel == first.voxel).decision == "accepted"
    panel.ui.undoButton.click()
    assert panel.ui.reviewedLabel.text == "1 / 4 reviewed"
    press(panel, "C")
    press(panel, "A")
    press(panel, "A")
    assert panel.ui.reviewedLabel.text.startswith("All 4 reviewed: add this case")

    panel.ui.casesFolderButton.directory = str(tmp_path / "cases")
    panel.ui.reviewerEdit.text = "R1"
    assert panel.ui.addCaseButton.enabled
    panel.ui.addCaseButton.click()
    harness.wait(lambda: panel.cases.job is None)
    assert "added" in panel.ui.messageLabel.text, panel.ui.messageLabel.text
    harness.diskRead(panel)
    assert panel.ui.casesLabel.text.startswith("1 case with 3 lesions")

    from MSLesionSegLib.cases.case_set import list_cases

    (case,) = list_cases(tmp_path / "cases").cases
    assert (case.review.reviewer, case.review.model, case.review.lesions_rejected) == ("R1", "bright", 1)
    mask = nib.load(case.mask)
    assert np.allclose(mask.affine, nib.load(scan).affine, atol=1e-4)
    inScene = panel.review.session
    assert np.array_equal(
        volumes.ontoFile(inScene.review.mask, inScene.volume, scan), np.asarray(mask.dataobj) > 0
    )


def test_an_unfinished_review_is_filed_only_after_a_yes(panel, scan, result, tmp_path):
    open_result(panel, scan, result)
    panel.ui.casesFolderButton.directory = str(tmp_path / "cases")
    slicer.harnessAnswers.append(False)
    panel.ui.addCaseButton.click()
    assert panel.cases.job is None
    assert not (tmp_path / "cases").exists()


def test_threshold_painting_and_missed_lesions_go_together(panel, scan, result):
    volume = open_result(panel, scan, result)
    found = panel.review.session
    press(panel, "N")
    press(panel, "E")
    assert panel.ui.editorCollapsibleButton.collapsed, "the tools are beside the table"
    assert panel.ui.segmentEditor.activeEffectName() == "Paint"
    assert panel.ui.segmentEditor.segmentationNode() is found.node
    free = tuple(int(v) for v in np.argwhere(~found.review.mask)[40_000])
    panel.ui.segmentEditor.paint(free)
    harness.wait(lambda: found.review.mask[free])
    assert panel.ui.lesionTable.rowCount == 5

    before = panel.ui.countLabel.text
    panel.ui.thresholdSlider.value = 0.3
    harness.wait(lambda: panel.ui.countLabel.text != before)
    assert found.review.rule.threshold == 0.3
    assert found.review.mask[free]
    assert "kept" in panel.ui.countLabel.text

    crosshair = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCrosshairRAS(0.0, -45.0, 0.0)
    rows = panel.ui.lesionTable.rowCount
    press(panel, "M")
    assert panel.ui.lesionTable.rowCount == rows + 1
    assert (
        slicer.util.arrayFromSegmentBinaryLabelmap(found.node, "lesion", volume).sum()
        == found.review.mask.sum()
    )


def test_a_lesion_that_is_chosen_is_centred_in_all_views(panel, scan, result):
    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode", "Red")
    open_result(panel, scan, result)
    panel.ui.lesionTable.selectRow(2)
    wanted = panel.review.place.row.lesion.centre_ras
    matrix = view.GetSliceToRAS()
    assert [matrix.GetElement(i, 3) for i in range(3)] == pytest.approx(wanted, abs=0.01)


def test_the_table_is_saved_as_it_stands_on_the_screen(panel, scan, result, tmp_path, monkeypatch):
    open_result(panel, scan, result)
    press(panel, "N")
    press(panel, "C")
    target = tmp_path / "lesions.csv"
    from MSLesionSegModule.review import exportRow

    monkeypatch.setattr(exportRow, "fileToSave", lambda *args: str(target))
    panel.ui.saveTableButton.click()
    with target.open(encoding="utf-8") as stream:
        saved = [row["number"] for row in csv.DictReader(stream)]
    shown = [panel.ui.lesionTable.item(i, 0).text() for i in range(panel.ui.lesionTable.rowCount)]
    assert saved == shown
    panel.ui.copyButton.click()
    assert "3 lesions" in qt.QApplication.clipboard().text()


def test_cancelling_leaves_the_scene_as_it_was(panel, scan):
    scenes.loadVolume(scan)
    harness.wait(lambda: panel.ui.segmentButton.enabled)
    choose_model(panel)
    before = slicer.mrmlScene.GetNumberOfNodes()
    panel.ui.segmentButton.click()
    assert panel.ui.segmentButton.text == "Cancel"
    harness.wait(lambda: panel.ui.segmentProgressBar.value > 0)
    panel.ui.segmentButton.click()
    assert "Cancelling" in panel.ui.segmentStageLabel.text
    harness.wait(lambda: panel.search.row.job is None)
    assert "Cancelled" in panel.ui.messageLabel.text
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert panel.ui.segmentButton.enabled and panel.ui.segmentButton.text == "Find lesions"


def test_a_process_that_dies_leaves_a_sentence_and_a_usable_panel(panel, scan):
    scenes.loadVolume(scan)
    harness.wait(lambda: panel.ui.segmentButton.enabled)
    choose_model(panel)
    before = slicer.mrmlScene.GetNumberOfNodes()
    panel.ui.segmentButton.click()
    harness.wait(lambda: panel.ui.segmentProgressBar.value > 0)
    os.kill(panel.search.row.job._process.pid, 9)
    harness.wait(lambda: panel.search.row.job is None)
    assert "unexpectedly" in panel.ui.messageLabel.text
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert panel.ui.segmentButton.enabled


def test_a_process_waits_as_soon_as_a_scan_is_chosen_and_does_the_search(panel, scan):
    assert panel.logic._worker._process is None
    scenes.loadVolume(scan)
    harness.wait(lambda: panel.logic._worker._process is not None)
    waiting = panel.logic._worker._process
    choose_model(panel)
    panel.ui.segmentButton.click()
    assert panel.search.row.job._process is waiting
    harness.wait(lambda: panel.search.row.job is None)
    assert panel.ui.lesionTable.rowCount == 4
    harness.wait(lambda: panel.logic._worker._process is not None)  # for the next one
    waiting = panel.logic._worker._process
    harness.closePanel(panel)
    assert waiting.poll() is not None


def test_closing_the_scene_ends_the_process(panel, scan):
    scenes.loadVolume(scan)
    harness.wait(lambda: panel.ui.segmentButton.enabled)
    choose_model(panel)
    panel.ui.segmentButton.click()
    process = panel.search.row.job._process
    scenes.clear()
    assert process.poll() is not None
    assert panel.ui.segmentButton.text == "Find lesions"
    assert not panel.ui.segmentButton.enabled


def test_a_scan_that_cannot_be_used_is_told_in_the_core_s_words(panel, tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((20, 20, 20), np.float32), np.eye(4)), tmp_path / "empty_FLAIR.nii.gz")
    scenes.loadVolume(tmp_path / "empty_FLAIR.nii.gz")
    harness.wait(lambda: panel.ui.segmentButton.enabled)
    choose_model(panel)
    panel.ui.segmentButton.click()
    harness.wait(lambda: panel.search.row.job is None)
    assert panel.search.row.job is None
    assert panel.ui.messageLabel.text
    assert panel.ui.messageLabel.text.endswith(".")
    assert panel.review.session is None


def test_missing_packages_are_named_and_installed_only_when_asked(panel, scan, monkeypatch):
    from slicer import packaging

    monkeypatch.setattr(panel.logic.packages, "missing", lambda task="flair": ["monai"])
    scenes.loadVolume(scan)
    panel.packages.refresh()
    panel.scans.update()
    assert not panel.ui.segmentButton.enabled
    assert "monai" in panel.ui.packagesLabel.text
    assert packaging.installed == []
    panel.ui.installButton.click()
    assert packaging.installed
    packaging.installed.clear()


def test_older_versions_of_slicer_are_told_what_is_needed(panel, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    panel.packages.refresh()
    assert "5.12" in panel.ui.packagesLabel.text
    panel.ui.installButton.click()
    assert "5.12" in panel.ui.messageLabel.text


def test_a_missed_lesion_is_marked_where_the_mouse_points(panel, scan, result):
    open_result(panel, scan, result)
    crosshair = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    press(panel, "N")
    press(panel, "M")
    assert "already" in panel.ui.messageLabel.text, "the crosshair is in the lesion"
    crosshair.SetCursorPositionRAS((0.0, -45.0, 0.0))
    press(panel, "M")
    assert panel.ui.lesionTable.rowCount == 5
    press(panel, "U")
    assert panel.ui.lesionTable.rowCount == 4


def test_the_brush_is_put_away_when_the_person_goes_on(panel, scan, result):
    open_result(panel, scan, result)
    editor = panel.ui.segmentEditor
    press(panel, "N")
    press(panel, "E")
    assert editor.activeEffectName() == "Paint"
    press(panel, "A")
    assert editor.activeEffectName() == ""
    assert editor.mrmlSegmentEditorNode().GetSingletonTag() == "MSLesionSeg"
    assert slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode") is None
