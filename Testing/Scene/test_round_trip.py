"""A scan goes into the scene, through a job and an edit, and out again: voxel for voxel on the file's own grid."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import scene as harness
import slicer
import vtk
from MSLesionSegModule.jobs.job import DONE, Job
from MSLesionSegModule.scene import segments, volumes
from MSLesionSegModule.scene.corrected import writeCorrected
from MSLesionSegModule.scene.resultFolder import load
from MSLesionSegModule.scene.reviewSession import ReviewSession

from MSLesionSegLib.errors import MSLesionSegError
from phantoms.hospital import save_patient

GRIDS = [("LAS", False), ("LPS", False), ("RAS", False), ("PIR", False), ("LAS", True), ("RAS", True)]


def session_for(volume, path: Path, folder: Path, probability: np.ndarray) -> ReviewSession:
    """A result folder as the core writes it, brought into the scene; ``probability`` lies on the file's grid."""
    import json

    from MSLesionSegLib.imaging.writing import save_image
    from MSLesionSegLib.segmentation.result_folder import output_names

    folder.mkdir()
    names = output_names("sub-01")
    save_image(probability.astype(np.float32), nib.load(path), folder / names["probability"])
    save_image((probability >= 0.5).astype(np.uint8), nib.load(path), folder / names["mask"])
    manifest = {
        "task": "flair",
        "model": {"name": "bright", "weights_sha256": "0"},
        "settings": {"threshold": 0.5, "minimum_mm3": 0.0, "minimum_peak": 0.0, "device": "cpu"},
        "findings": [],
        "files": names,
    }
    (folder / "result.json").write_text(json.dumps(manifest))
    return load(folder, {"flair": volume}, {"flair": path})


@pytest.mark.parametrize(("orientation", "turned"), GRIDS)
def test_a_mask_leaves_the_scene_on_the_grid_of_the_file(scene, tmp_path, orientation, turned):
    path = tmp_path / "sub-01_FLAIR.nii.gz"
    lesions = save_patient(path, orientation, turned=turned)
    volume = harness.loadVolume(path)
    assert volumes.sourceFile(volume, tmp_path, "flair") == path
    found = session_for(volume, path, tmp_path / "result", np.where(lesions, 0.9, 0.1))
    out = nib.load(writeCorrected(found, tmp_path / "corrected.nii.gz"))
    assert np.array_equal(np.asarray(out.dataobj) > 0, lesions)
    assert np.allclose(out.affine, nib.load(path).affine, atol=1e-4)


@pytest.mark.parametrize(("orientation", "turned"), GRIDS)
def test_what_is_painted_in_the_scene_lies_there_in_the_file(scene, tmp_path, orientation, turned):
    path = tmp_path / "sub-01_FLAIR.nii.gz"
    lesions = save_patient(path, orientation, turned=turned)
    volume = harness.loadVolume(path)
    found = session_for(volume, path, tmp_path / "result", np.where(lesions, 0.9, 0.1))
    painted = nib.affines.apply_affine(nib.load(path).affine, (5, 6, 7))
    where = tuple(
        np.rint(nib.affines.apply_affine(np.linalg.inv(volumes.affineOf(volume)), painted)).astype(int)
    )
    mask = found.review.mask.copy()
    mask[where] = True
    segments.setMask(found.node, volume, {"lesion": mask})
    assert found.takeEdits()
    out = np.asarray(nib.load(writeCorrected(found, tmp_path / "corrected.nii.gz")).dataobj) > 0
    changed = np.argwhere(out != lesions)
    assert changed.tolist() == [[5, 6, 7]]


def test_slicer_reverses_the_third_axis_of_a_left_handed_file(scene, tmp_path):
    """The reason for all of this: if Slicer ever stops, this test says so."""
    path = tmp_path / "sub-01_FLAIR.nii.gz"
    save_patient(path, "LAS")
    assert not np.allclose(volumes.affineOf(harness.loadVolume(path)), nib.load(path).affine)


def test_a_changed_volume_is_written_for_the_job_without_its_header(scene, tmp_path):
    path = tmp_path / "DOE_JOHN_FLAIR.nii.gz"
    save_patient(path, "LAS")
    volume = harness.loadVolume(path)
    slicer.util.updateVolumeFromArray(volume, slicer.util.arrayFromVolume(volume) + 1)
    written = volumes.sourceFile(volume, tmp_path / "job", "flair")
    assert written == tmp_path / "job" / "flair.nii.gz"
    assert np.array_equal(np.asarray(nib.load(written).dataobj), volumes.voxelsOf(volume))
    assert np.allclose(nib.load(written).affine, volumes.affineOf(volume), atol=1e-4)


def test_a_result_with_other_voxels_leaves_the_scene_as_it_was(scene, tmp_path):
    save_patient(tmp_path / "one_FLAIR.nii.gz", "LAS")
    save_patient(tmp_path / "two_FLAIR.nii.gz", "LAS", turned=True)
    volume = harness.loadVolume(tmp_path / "one_FLAIR.nii.gz")
    before = scene.GetNumberOfNodes()
    with pytest.raises(MSLesionSegError, match="same voxels"):
        session_for(volume, tmp_path / "two_FLAIR.nii.gz", tmp_path / "result", np.zeros((52, 62, 28)))
    assert scene.GetNumberOfNodes() == before


def test_slicer_refuses_a_sheared_scan(scene, tmp_path):
    flair = np.ones((20, 20, 20), np.float32)
    affine = np.eye(4)
    affine[0, 1] = 0.4
    image = nib.Nifti1Image(flair, affine)
    image.set_sform(affine, 1)
    image.set_qform(None, 0)
    nib.save(image, tmp_path / "sheared.nii.gz")
    with pytest.raises(Exception):  # noqa: B017  Slicer's reader raises a plain one
        harness.loadVolume(tmp_path / "sheared.nii.gz")


def test_the_real_job_finds_the_lesions_and_they_survive_saving_the_scene(scene, tmp_path, models):
    path = tmp_path / "sub-01_FLAIR.nii.gz"
    lesions = save_patient(path, "LAS")
    volume = harness.loadVolume(path)
    events = []
    job = Job(
        ["segment", "flair", "--flair", str(path), "-o", str(tmp_path / "out"), "--model", "bright"],
        tmp_path,
        events.append,
    )
    outcome = job.wait()
    assert outcome.state == DONE, outcome.sentence
    assert {"started", "progress", "result"} <= {event["event"] for event in events}
    found = load(tmp_path / "out", {"flair": volume}, {"flair": path})
    assert len(found.review.rows) == 4
    found.review.accept(1)
    found.review.reject(2)
    found.show()

    mask = found.review.mask
    again = ReviewSession.ofNode(found.node)
    assert np.array_equal(again.review.mask, mask)
    assert [row.decision for row in again.review.rows] == ["accepted", "open", "open", "rejected"]

    out = np.asarray(nib.load(writeCorrected(found, tmp_path / "corrected.nii.gz")).dataobj) > 0
    draft = np.asarray(nib.load(tmp_path / "out" / "sub-01_label-lesion_mask.nii.gz").dataobj) > 0
    assert np.count_nonzero(draft & ~out) > 0 and not np.any(out & ~draft)
    assert np.count_nonzero(out & lesions) > 0.5 * np.count_nonzero(out)


def test_an_empty_mask_is_exported_whole(scene, tmp_path):
    path = tmp_path / "sub-01_FLAIR.nii.gz"
    lesions = save_patient(path, "RAS")
    volume = harness.loadVolume(path)
    found = session_for(volume, path, tmp_path / "result", np.zeros(lesions.shape))
    out = nib.load(writeCorrected(found, tmp_path / "corrected.nii.gz"))
    assert out.shape == lesions.shape and not np.any(out.dataobj)


def test_segments_have_fixed_ids_colours_and_terminology(scene, tmp_path):
    path = tmp_path / "sub-01_FLAIR.nii.gz"
    save_patient(path, "RAS")
    node = segments.addSegmentation(harness.loadVolume(path), "new")
    ids = list(node.GetSegmentation().GetSegmentIDs())
    assert ids == ["new", "enlarged", "stable", "shrunken", "vanished"]
    segment = node.GetSegmentation().GetSegment("new")
    assert segment.GetColor() == pytest.approx(segments.CLASSES["new"].colour)
    tags = vtk.reference("")
    assert segment.GetTag(segment.GetTerminologyEntryTagName(), tags)
    assert len(str(tags).split("~")) == 7
