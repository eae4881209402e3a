"""The comparison of two scans in the scene: what is new is reviewed, what did not change is shown beside it."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import scene as harness
import SimpleITK as sitk
import slicer
import vtk
from MSLesionSegModule.scene import segments, volumes
from MSLesionSegModule.scene.corrected import writeCorrected, writeSegmentation
from MSLesionSegModule.scene.resultFolder import load, loading
from MSLesionSegModule.scene.reviewSession import ReviewSession
from MSLesionSegModule.scene.storedResult import readResult

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.imaging.writing import save_image
from MSLesionSegLib.tasks import TASKS
from phantoms.comparison import REGIONS_AFFINE, SHIFT_LPS, compared


def test_new_lesions_are_reviewed_and_the_others_are_shown(scene, tmp_path):
    nodes, files, result = compared(tmp_path)
    found = load(result, nodes, files)
    assert [row.state for row in found.review.rows] == ["new"]
    assert found.record["remarks"] == ["The slices are too thick."]
    counts = {
        name: int(mask.sum())
        for name, mask in segments.getMasks(found.node, found.volume, TASKS["new"].states).items()
    }
    assert counts["stable"] > 0 and counts["vanished"] > 0 and counts["enlarged"] == 0
    found.review.reject(1)
    found.show()
    out = nib.load(writeCorrected(found, tmp_path / "corrected.nii.gz"))
    assert not np.any(out.dataobj), "lesions that did not change are no part of the mask"


def test_what_was_found_is_no_correction_although_the_map_alone_shows_more(scene, tmp_path):
    nodes, files, result = compared(tmp_path)
    mask = nib.load(result / "mask.nii.gz")
    smaller = np.asarray(mask.dataobj).copy()
    smaller[np.argwhere(smaller)[0][0]] = 0
    save_image(smaller, mask, result / "mask.nii.gz")
    found = load(result, nodes, files)
    assert not found.review.edited
    start = found.review.mask.copy()
    assert np.count_nonzero(start) == np.count_nonzero(smaller)
    found.setRule(0.4, 0.0)
    assert np.count_nonzero(found.review.mask) > np.count_nonzero(start)
    found.setRule(0.5, 0.0)
    again = ReviewSession.ofNode(found.node)
    assert np.array_equal(again.review.mask, start) and not again.review.edited


def test_a_result_that_is_broken_off_at_any_step_leaves_the_scene_as_it_was(scene, tmp_path):
    def names() -> list[str]:
        nodes = slicer.util.getNodesByClass("vtkMRMLNode")
        # Slicer always has a subject hierarchy
        return [node.GetID() for node in nodes if not node.IsA("vtkMRMLSubjectHierarchyNode")]

    nodes, files, result = compared(tmp_path, regions=True)
    steps = sum(1 for _ in loading(result, nodes, files))
    assert steps > 10
    harness.clear()
    nodes = {name: harness.loadVolume(path) for name, path in files.items()}
    before = names()
    for taken in range(1, steps + 1):
        unfinished = loading(result, nodes, files)
        for step in range(1, taken + 1):
            assert (next(unfinished) is None) == (step < steps)
        unfinished.close()
        assert names() == before
        assert nodes["baseline"].GetParentTransformNode() is None


def test_working_on_lesions_leaves_nothing_else_in_the_scene(scene, tmp_path):
    nodes, files, result = compared(tmp_path)
    found = load(result, nodes, files)
    before = scene.GetNumberOfNodes()
    found.setRule(0.4, 0.0)
    found.takeEdits()
    writeSegmentation(found, tmp_path / "drawn.seg.nrrd")
    assert scene.GetNumberOfNodes() == before


def test_painting_a_new_lesion_counts_and_painting_a_stable_one_does_not(scene, tmp_path):
    nodes, files, result = compared(tmp_path)
    found = load(result, nodes, files)
    before = found.review.mask.copy()
    stable = segments.getMasks(found.node, found.volume, ["stable"])["stable"]
    stable[2, 2, 2] = True
    segments.setMask(found.node, found.volume, {"stable": stable})
    assert not found.takeEdits()
    painted = before.copy()
    painted[2, 2, 2] = True
    segments.setMask(found.node, found.volume, {"new": painted})
    assert found.takeEdits()
    assert np.count_nonzero(found.review.mask != before) == 1


def test_the_baseline_is_put_onto_the_followup_by_the_registration(scene, tmp_path):
    nodes, files, result = compared(tmp_path)
    found = load(result, nodes, files)
    transform = nodes["baseline"].GetParentTransformNode()
    moved = slicer.util.arrayFromVTKMatrix(transform.GetMatrixTransformToParent())
    assert moved[:3, 3] == pytest.approx([-SHIFT_LPS[0], -SHIFT_LPS[1], SHIFT_LPS[2]])
    assert found.subtraction().GetParentTransformNode() is transform
    assert found.subtraction().GetDisplayNode() is not None, "without one no view shows it"
    assert nodes["followup"].GetParentTransformNode() is None


def test_the_subtraction_of_a_second_search_lies_on_the_followup_too(scene, tmp_path):
    nodes, files, result = compared(tmp_path)
    load(result, nodes, files)
    again = load(result, nodes, files)
    assert nodes["baseline"].GetParentTransformNode() is again.subtraction().GetParentTransformNode()
    moved = vtk.vtkMatrix4x4()
    again.subtraction().GetParentTransformNode().GetMatrixTransformToParent(moved)
    assert slicer.util.arrayFromVTKMatrix(moved)[:3, 3] == pytest.approx([-4.0, 3.0, 2.0])


def inWorld(node) -> np.ndarray:
    """Where the scan's own origin lies in the world."""
    moved = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(node.GetParentTransformNode(), None, moved)
    return slicer.util.arrayFromVTKMatrix(moved)[:3, 3]


def test_each_of_two_comparisons_in_a_row_has_its_scans_in_place_when_it_is_reviewed(scene, tmp_path):
    (tmp_path / "one").mkdir(), (tmp_path / "two").mkdir()
    nodes, files, result = compared(tmp_path / "one")
    further, filesAfter, resultAfter = compared(tmp_path / "two")
    first = load(result, nodes, files)
    shift = inWorld(nodes["baseline"])
    assert np.any(shift) and not np.any(inWorld(nodes["followup"]))
    # the follow-up is the baseline of the next comparison
    pair = {"baseline": nodes["followup"], "followup": further["followup"]}
    second = load(resultAfter, pair, {**filesAfter, "baseline": files["followup"]})
    assert np.allclose(inWorld(nodes["followup"]), shift) and not np.any(inWorld(further["followup"]))
    again = readResult(result / "result.json").goOn()
    assert again.node is first.node
    assert np.allclose(inWorld(nodes["baseline"]), shift) and not np.any(inWorld(nodes["followup"]))
    assert readResult(resultAfter / "result.json").goOn().node is second.node
    assert np.allclose(inWorld(nodes["followup"]), shift)


def test_a_scan_that_the_person_put_somewhere_stays_there_and_the_pair_lies_together(scene, tmp_path):
    nodes, files, result = compared(tmp_path)
    own = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "own")
    own.SetMatrixTransformToParent(
        slicer.util.vtkMatrixFromArray(np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 50], [0, 0, 0, 1]]))
    )
    nodes["followup"].SetAndObserveTransformNodeID(own.GetID())
    load(result, nodes, files)
    assert nodes["followup"].GetParentTransformNode() is own
    assert inWorld(nodes["baseline"]) == pytest.approx([-4.0, 3.0, 52.0])


def test_what_a_bent_registration_leaves_without_a_place_is_not_shown(scene, tmp_path):
    nodes, files, result = compared(tmp_path, regions=True)
    field = sitk.Image([4, 4, 4], sitk.sitkVectorFloat64, 3)
    field.SetSpacing([60.0] * 3)
    field.SetOrigin([-90.0] * 3)
    field[1, 1, 1] = (9.0, 0.0, 0.0)
    sitk.WriteTransform(sitk.DisplacementFieldTransform(field), str(result / "transform.tfm"))
    found = load(result, nodes, files)
    assert found.subtraction() is None and nodes["baseline"].GetParentTransformNode() is None
    assert "not shown in place" in found.record["remarks"][0]
    assert [row.state for row in found.review.rows] == ["new"]


def test_lesions_are_shown_although_the_baseline_was_taken_out_of_the_scene(scene, tmp_path):
    nodes, files, result = compared(tmp_path, regions=True)
    scene.RemoveNode(nodes.pop("baseline"))
    found = load(result, nodes, files)
    assert [row.state for row in found.review.rows] == ["new"]
    assert found.subtraction().GetParentTransformNode() is not None


def test_regions_of_the_baseline_s_space_lie_on_the_followup(scene, tmp_path):
    nodes, files, result = compared(tmp_path, regions=True)
    found = load(result, nodes, files)
    moved = found.review.regions.labels.affine[:3, 3] - REGIONS_AFFINE[:3, 3]
    assert moved == pytest.approx([-SHIFT_LPS[0], -SHIFT_LPS[1], SHIFT_LPS[2]])
    assert all(lesion.region != "undetermined" for lesion in found.review.lesions)


def test_counts_that_are_withheld_are_not_shown_and_the_reason_is_told(scene, tmp_path):
    nodes, files, result = compared(tmp_path, withheld=True)
    before = scene.GetNumberOfNodes()
    with pytest.raises(MSLesionSegError, match="slices are too thick"):
        load(result, nodes, files)
    assert scene.GetNumberOfNodes() == before


def test_the_review_goes_on_from_the_nodes_of_a_scene(scene, tmp_path):
    nodes, files, result = compared(tmp_path)
    found = load(result, nodes, files)
    found.review.accept(1)
    found.show()
    again = ReviewSession.ofNode(found.node)
    assert np.array_equal(again.review.mask, found.review.mask)
    assert [(row.state, row.decision) for row in again.review.rows] == [("new", "accepted")]
    assert volumes.voxelsOf(nodes["followup"]).shape == again.review.mask.shape


def test_a_stored_comparison_is_shown_on_the_two_scans_it_was_made_on(scene, tmp_path):
    nodes, files, folder = compared(tmp_path)
    harness.loadVolume(files["followup"], "the same file again")
    result = readResult(folder / "result.json")
    assert result.task == "new" and result.scansInScene() == nodes
    found = result.show(result.scansInScene(), tmp_path)
    assert [row.state for row in found.review.rows] == ["new"]
    assert found.volume is nodes["followup"]
    scene.RemoveNode(nodes["baseline"])
    with pytest.raises(MSLesionSegError, match="Load the baseline FLAIR"):
        result.show(result.scansInScene(), tmp_path)
