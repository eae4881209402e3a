"""Two scans that are hardly a pair: not proposed, and questioned before the work."""

from __future__ import annotations

import layout as layouts
import pytest
import slicer
from pressing import choose_task, settle


@pytest.fixture
def questions(monkeypatch):
    """What is asked; every answer is no."""
    asked = []
    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", lambda text, **rest: asked.append(text))
    return asked


def under_patient(node, name: str) -> None:
    """Put a volume under a patient of the subject hierarchy, as Slicer does with DICOM."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), name)
    study = hierarchy.CreateStudyItem(patient, "MR")
    hierarchy.CreateItem(study, node)


def test_scans_of_two_patients_are_not_proposed_as_a_pair(panel, load):
    choose_task(panel, "new")
    first = load("sub-01_ses-01_FLAIR")
    load("sub-02_ses-02_FLAIR")
    settle(panel)
    assert panel.parameters.node.baselineVolume is first and panel.parameters.node.followupVolume is None
    own = load("sub-01_ses-02_FLAIR")
    settle(panel)
    assert panel.parameters.node.followupVolume is own


def test_the_pair_of_one_patient_is_proposed_although_another_one_is_shown(panel, load):
    scans = [load(name) for name in ("sub-01_ses-1_FLAIR", "sub-01_ses-2_FLAIR", "sub-07_FLAIR")]
    layouts.manager().setLayout(3)
    slicer.util.setSliceViewerLayers(background=scans[2])
    settle(panel)
    choose_task(panel, "new")
    settle(panel)
    node = panel.parameters.node
    assert (node.baselineVolume, node.followupVolume) == (scans[0], scans[1])


def test_patients_of_the_subject_hierarchy_are_not_proposed_as_a_pair(panel, load):
    scans = [load(name) for name in ("FLAIR_a", "FLAIR_b", "FLAIR_c")]
    for node, name in zip(scans, ["Weber^Eva (17)", "Keller^Max (18)", "Weber^Eva (17)"], strict=True):
        node.SetName("5: t2_flair")
        under_patient(node, name)
    choose_task(panel, "new")
    settle(panel)
    chosen = panel.parameters.node
    assert [chosen.baselineVolume, chosen.followupVolume] == [scans[0], scans[2]]


def test_a_scan_that_a_person_chooses_brings_the_other_of_its_patient(panel, load):
    scans = [load(f"sub-{s}_ses-{n}_FLAIR") for s in ("01", "02") for n in (1, 2)]
    choose_task(panel, "new")
    settle(panel)
    chosen = panel.parameters.node
    assert [chosen.baselineVolume, chosen.followupVolume] == scans[:2]
    panel.ui.followupSelector.setCurrentNode(None)
    panel.ui.baselineSelector.setCurrentNode(scans[2])
    assert [chosen.baselineVolume, chosen.followupVolume] == scans[2:]
    panel.ui.followupSelector.setCurrentNode(scans[1])
    assert [chosen.baselineVolume, chosen.followupVolume] == [scans[2], scans[1]], "a person may mix them"


def test_a_pair_of_two_patients_is_questioned_before_the_work(panel, load, questions):
    one, other = load("sub-01_ses-01_FLAIR"), load("sub-02_ses-02_FLAIR")
    choose_task(panel, "new")
    panel.parameters.node.baselineVolume, panel.parameters.node.followupVolume = one, other
    assert panel.ui.segmentButton.enabled, panel.ui.segmentButton.toolTip
    panel.ui.segmentButton.click()
    assert len(questions) == 1 and panel.search.row.job is None
    assert "baseline FLAIR: sub-01_ses-01_FLAIR, of sub-01" in questions[0]
    assert "follow-up FLAIR: sub-02_ses-02_FLAIR, of sub-02" in questions[0]


def test_patients_of_the_subject_hierarchy_are_named_in_the_question(panel, load, questions):
    one, other = load("FLAIR_1"), load("FLAIR_2")
    under_patient(one, "Weber^Eva (17)")
    under_patient(other, "Keller^Max (18)")
    choose_task(panel, "new")
    panel.parameters.node.baselineVolume, panel.parameters.node.followupVolume = one, other
    panel.ui.segmentButton.click()
    assert "Weber^Eva (17)" in questions[0] and "Keller^Max (18)" in questions[0]


def test_a_pair_in_the_wrong_order_is_questioned_before_the_work(panel, load, questions):
    one, other = load("sub-01_ses-01_FLAIR"), load("sub-01_ses-02_FLAIR")
    choose_task(panel, "new")
    panel.parameters.node.baselineVolume, panel.parameters.node.followupVolume = other, one
    panel.ui.segmentButton.click()
    assert "sub-01_ses-02_FLAIR seems to be later" in questions[0] and panel.search.row.job is None


def test_after_a_yes_the_unlikely_pair_is_compared(panel, load, monkeypatch):
    begun = []
    monkeypatch.setattr(panel.logic, "segment", lambda task, nodes, **rest: begun.append(set(nodes)))
    one, other = load("sub-01_ses-01_FLAIR"), load("sub-02_ses-02_FLAIR")
    choose_task(panel, "new")
    panel.parameters.node.baselineVolume, panel.parameters.node.followupVolume = one, other
    slicer.harnessAnswers.append(True)
    panel.ui.segmentButton.click()
    assert begun == [{"baseline", "followup"}]


def test_one_patient_s_scans_are_not_questioned(panel, load, questions, monkeypatch):
    begun = []
    monkeypatch.setattr(panel.logic, "segment", lambda task, nodes, **rest: begun.append(set(nodes)))
    load("sub-01_ses-01_FLAIR"), load("sub-01_ses-02_FLAIR")
    choose_task(panel, "new")
    settle(panel)
    panel.ui.segmentButton.click()
    assert begun and not questions
