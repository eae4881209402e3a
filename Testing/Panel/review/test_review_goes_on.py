"""A review lasts over visits to other modules, saved scenes, searches and reloads, and ends with its scan."""

from __future__ import annotations

import json

import panel as harness
import pytest
import scene as scenes
import slicer
from pressing import choose_model, listening, open_result, press


def test_the_review_goes_on_after_leaving_the_module(panel, scan, result):
    open_result(panel, scan, result)
    press(panel, "N")
    press(panel, "C")
    panel.exit()
    panel.parent.isEntered = False
    panel.parent.isEntered = True
    panel.enter()
    assert panel.ui.reviewedLabel.text == "1 / 4 reviewed"
    assert panel.ui.lesionTable.rowCount == 4


def test_entering_the_module_again_and_again_observes_its_parameters_once(panel):
    before = panel.parameters.node
    for _ in range(2):
        panel.exit()
        panel.enter()
        scenes.clear()
    assert panel.parameters.node is before, "each wrapper observes the node for good"


def test_what_is_chosen_after_the_scene_was_closed_is_kept_in_the_new_one(panel):
    panel.parameters.node.minutes = 7
    scenes.clear()
    assert panel.ui.minutesSpinBox.value == panel.parameters.node.minutes == 15
    panel.ui.minutesSpinBox.value = 9
    assert panel.parameters.node.minutes == 9
    assert panel.logic.getParameterNode().minutes == 9


def test_the_review_goes_on_after_saving_and_loading_the_scene(panel, scan, result, tmp_path):
    open_result(panel, scan, result)
    press(panel, "N")
    press(panel, "C")
    record = panel.review.session.node.GetAttribute("MSLesionSeg.Record")
    assert json.loads(record)["decisions"]["rejected"]
    slicer.mrmlScene.SetURL(str(tmp_path / "scene.mrml"))
    for node in slicer.util.getNodesByClass("vtkMRMLStorableNode"):
        if (node.GetSaveWithScene() and node.IsA("vtkMRMLVolumeNode")) or node.IsA("vtkMRMLSegmentationNode"):
            if node.GetStorageNode() is None:
                node.AddDefaultStorageNode()
            ending = ".seg.nrrd" if node.IsA("vtkMRMLSegmentationNode") else ".nrrd"
            if node.GetName() != "sub-01_FLAIR":
                node.GetStorageNode().SetFileName(str(tmp_path / f"{node.GetID()}{ending}"))
                assert node.GetStorageNode().WriteData(node)
    slicer.mrmlScene.Commit(str(tmp_path / "scene.mrml"))
    scenes.clear()
    assert panel.review.session is None
    slicer.mrmlScene.SetURL(str(tmp_path / "scene.mrml"))
    slicer.mrmlScene.Import()
    assert panel.review.session is not None
    assert panel.ui.reviewedLabel.text == "1 / 4 reviewed"


def test_the_case_that_was_asked_about_is_filed_although_a_search_has_ended_meanwhile(
    panel, scan, result, tmp_path, monkeypatch
):
    open_result(panel, scan, result)
    asked, filed = panel.review.session, []
    panel.ui.casesFolderButton.directory = str(tmp_path / "cases")
    panel.ui.segmentButton.click()

    def answerLate(text):
        harness.wait(lambda: panel.search.row.job is None)
        return True

    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", answerLate)
    monkeypatch.setattr(panel.logic, "startAddCase", lambda session, *rest: filed.append(session))
    panel.ui.addCaseButton.click()
    assert panel.review.session is not asked
    assert filed == [asked]


def test_a_result_that_comes_while_the_person_is_elsewhere_leaves_views_and_editor_alone(panel, scan):
    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    volume = scenes.loadVolume(scan)
    harness.wait(lambda: panel.ui.segmentButton.enabled)
    choose_model(panel)
    panel.ui.segmentButton.click()
    assert view.GetBackgroundVolumeID() == volume.GetID(), "what is searched is shown"
    panel.exit()
    panel.parent.isEntered = False
    view.SetBackgroundVolumeID(None)
    harness.wait(lambda: panel.search.row.job is None)
    assert view.GetBackgroundVolumeID() is None
    assert panel.ui.segmentEditor.segmentationNode() is None
    panel.parent.isEntered = True
    panel.enter()
    assert panel.ui.lesionTable.rowCount == 4
    assert panel.ui.segmentEditor.sourceVolumeNode() is volume


def test_the_sliders_show_the_rule_of_a_result_that_came_while_the_person_was_elsewhere(panel, scan):
    scenes.loadVolume(scan)
    harness.wait(lambda: panel.ui.segmentButton.enabled)
    choose_model(panel)
    panel.parameters.node.threshold = 0.9
    panel.ui.segmentButton.click()
    panel.exit()
    panel.parent.isEntered = False
    harness.wait(lambda: panel.search.row.job is None)
    panel.parent.isEntered = True
    panel.enter()
    assert panel.ui.thresholdSlider.value == panel.review.session.review.rule.threshold != 0.9


def test_reload_takes_the_keys_and_the_brush_away(panel, scan, result):
    open_result(panel, scan, result)
    press(panel, "N")
    press(panel, "E")
    panel.cleanup()
    assert listening(panel) == {}
    assert panel.ui.segmentEditor.activeEffectName() == ""
    assert panel.parameters.node is None


def test_undo_still_works_after_a_visit_to_another_module(panel, scan, result):
    open_result(panel, scan, result)
    press(panel, "N")
    press(panel, "C")
    panel.exit()
    panel.enter()
    press(panel, "U")
    assert panel.ui.reviewedLabel.text == "0 / 4 reviewed"


def test_a_new_search_hides_the_earlier_outlines(panel, scan, result):
    open_result(panel, scan, result)
    earlier = panel.review.session.node
    panel.ui.segmentButton.click()
    harness.wait(lambda: panel.search.row.job is None)
    assert panel.review.session.node is not earlier
    assert not earlier.GetDisplayNode().GetVisibility()
    assert panel.review.session.node.GetDisplayNode().GetVisibility()


@pytest.mark.parametrize("what", ["node", "volume"])
def test_removing_what_is_reviewed_ends_the_review(panel, scan, result, what):
    open_result(panel, scan, result)
    press(panel, "N")
    slicer.mrmlScene.RemoveNode(getattr(panel.review.session, what))
    assert panel.review.session is None
    assert panel.ui.lesionTable.rowCount == 0
    assert not panel.ui.addCaseButton.enabled
    press(panel, "A")
