"""A result of the command line is reviewed in the panel as one that the panel found."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import panel as harness
import pytest
import scene as scenes
import slicer
from MSLesionSegModule.scene import volumes
from pressing import choosing, decisions, open_result, press

from MSLesionSegLib.files.checksums import file_sha256


def nodes() -> int:
    return slicer.mrmlScene.GetNumberOfNodes()


def test_a_result_of_the_command_line_is_reviewed_and_filed(panel, scan, result, tmp_path):
    volume = open_result(panel, scan, result)
    assert panel.ui.flairSelector.currentNode() is volume
    assert panel.ui.lesionTable.rowCount == 4
    assert "bright" in panel.ui.logText.plainText
    stored = nib.load(result / json.loads((result / "result.json").read_text())["files"]["mask"])
    shown = volumes.ontoFile(panel.review.session.review.mask.astype(np.uint8), volume, scan)
    assert np.array_equal(shown > 0, np.asarray(stored.dataobj) > 0)

    press(panel, "N")
    for key in "CAAA":
        press(panel, key)
    assert sorted(decisions(panel)) == ["accepted"] * 3 + ["rejected"]
    panel.ui.casesFolderButton.directory = str(tmp_path / "cases")
    panel.ui.addCaseButton.click()
    harness.wait(lambda: panel.cases.job is None)
    (mask,) = (tmp_path / "cases").glob("**/*desc-v1_mask.nii.gz")
    record = json.loads(mask.with_name(mask.name.replace(".nii.gz", ".json")).read_text())
    assert record["Review"]["model"] == "bright" and record["Review"]["lesions_rejected"] == 1
    assert 0 < np.count_nonzero(nib.load(mask).dataobj) < np.count_nonzero(stored.dataobj)


def test_a_scan_that_is_not_in_the_scene_is_asked_for(panel, scan, result):
    with choosing(result / "result.json", scan):
        panel.ui.openResultButton.click()
    assert panel.ui.flairSelector.currentNode().GetName() == "sub-01_FLAIR"
    assert panel.ui.lesionTable.rowCount == 4


def test_a_result_that_is_reviewed_already_is_gone_on_with(panel, scan, result):
    open_result(panel, scan, result)
    first = panel.review.session
    press(panel, "N")
    press(panel, "C")
    before = nodes()
    with choosing(result / "result.json"):
        panel.ui.openResultButton.click()
    assert panel.review.session is first and nodes() == before
    assert decisions(panel).count("rejected") == 1
    press(panel, "U")
    assert decisions(panel).count("rejected") == 0
    press(panel, "C")
    assert decisions(panel).count("rejected") == 1
    panel.ui.segmentButton.click()  # another search takes its place
    harness.wait(lambda: panel.search.row.job is None)
    assert panel.review.session.node is not first.node
    with choosing(result / "result.json"):
        panel.ui.openResultButton.click()
    assert panel.review.session.node is first.node and first.node.GetDisplayNode().GetVisibility()
    assert decisions(panel).count("rejected") == 1


def test_labels_of_the_same_file_are_not_taken_for_the_scan(panel, scan, result):
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(scan))
    slicer.mrmlScene.AddNode(storage)
    assert storage.ReadData(labels)
    labels.SetAndObserveStorageNodeID(storage.GetID())
    volume = open_result(panel, scan, result)
    assert panel.review.session.volume is volume


def test_a_scan_that_the_result_was_not_made_on_does_not_stay_chosen(panel, scan, result, tmp_path):
    image = nib.load(scan)
    before = tmp_path / "before_T1w.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj) / 2, image.affine), before)
    file = result / "result.json"
    manifest = json.loads(file.read_text())
    post = manifest["inputs"]["flair"]
    manifest |= {"task": "enhancing", "inputs": {"pre": post | {"sha256": file_sha256(before)}, "post": post}}
    file.write_text(json.dumps(manifest))
    pre, post = scenes.loadVolume(before), scenes.loadVolume(scan)
    panel.parameters.node.flairVolume = pre  # of another patient, say
    with choosing(file):
        panel.ui.openResultButton.click()
    chosen = panel.parameters.node
    assert (chosen.task.value, chosen.preVolume, chosen.postVolume) == ("enhancing", pre, post)
    assert chosen.flairVolume is None
    assert not panel.ui.flickerButton.isHidden() and panel.ui.subtractionButton.isHidden()


def test_a_result_that_was_made_anew_meanwhile_is_no_draft_of_this_review(panel, scan, result, tmp_path):
    open_result(panel, scan, result)
    mask = result / json.loads((result / "result.json").read_text())["files"]["mask"]
    image = nib.load(mask)
    nib.save(nib.Nifti1Image(np.ones(image.shape, np.uint8), image.affine), mask)
    panel.ui.casesFolderButton.directory = str(tmp_path / "cases")
    panel.ui.addCaseButton.click()
    harness.wait(lambda: panel.cases.job is None)
    assert list((tmp_path / "cases").glob("**/*desc-v1_mask.nii.gz"))
    assert not list((tmp_path / "cases").glob("**/*draft_mask.nii.gz"))


def test_nothing_happens_when_the_person_chooses_no_file(panel, result):
    before = nodes()
    for answers in ((), (result / "result.json",)):
        with choosing(*answers):
            panel.ui.openResultButton.click()
    assert nodes() == before and not panel.ui.messageLabel.text


def test_another_scan_than_the_one_that_was_segmented_is_refused(panel, scan, result, tmp_path):
    image = nib.load(scan)
    other = tmp_path / "other.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj) + 1, image.affine), other)
    scenes.loadVolume(other)
    before = nodes()
    with choosing(result / "result.json", other):
        panel.ui.openResultButton.click()
    assert panel.ui.messageLabel.text == "other.nii.gz is not the FLAIR that this result was made on."
    assert nodes() == before and panel.review.session is None


@pytest.mark.parametrize("damage", ["no result", "nested", "cut off", "gone", "other voxels", "no numbers"])
def test_a_damaged_result_is_refused_and_leaves_the_scene(panel, scan, result, damage):
    manifest = result / "result.json"
    probability = result / json.loads(manifest.read_text())["files"]["probability"]
    if damage == "no result":
        manifest.write_text('{"task": "flair", "inputs": []}')
    elif damage == "nested":
        manifest.write_text('{"task":' * 100_000)
    elif damage == "no numbers":
        image = nib.load(probability)
        nib.save(nib.Nifti1Image(np.full(image.shape, np.nan, np.float32), image.affine), probability)
    elif damage == "cut off":
        probability.write_bytes(probability.read_bytes()[:2000])
    elif damage == "gone":
        probability.unlink()
    else:
        nib.save(nib.Nifti1Image(np.zeros((9, 9, 9), np.float32), np.eye(4)), probability)
    if damage in ("no result", "nested", "other voxels", "no numbers"):
        scenes.loadVolume(scan)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(
        slicer.mrmlScene
    )  # there from the start in Slicer
    before = nodes()
    with choosing(manifest, scan):
        panel.ui.openResultButton.click()
    sentence = {
        "no result": "is not a result of this program",
        "nested": "is not a result of this program",
        "no numbers": "are not numbers",
        "other voxels": "do not have the same voxels",
    }.get(damage, "is missing or damaged")
    assert sentence in panel.ui.messageLabel.text
    assert nodes() == before and panel.review.session is None


def test_a_script_opens_a_result_and_is_told_which_scan_is_missing(panel, scan, result):
    from MSLesionSegLib.errors import MSLesionSegError

    with pytest.raises(MSLesionSegError, match="Load the FLAIR that this result was made on first"):
        panel.logic.openResult(result / "result.json")
    scenes.loadVolume(scan)
    assert len(panel.logic.openResult(result / "result.json").review.rows) == 4
