"""Masks go into segments and out of them voxel for voxel, though only the part with lesions is handed over."""

from __future__ import annotations

import numpy as np
import pytest
import scene as harness
import slicer
import vtk
from MSLesionSegModule.scene import segments

from phantoms.hospital import save_patient


@pytest.fixture
def volume(scene, tmp_path):
    """An oblique scan."""
    save_patient(tmp_path / "sub-01_FLAIR.nii.gz", "LAS", turned=True)
    return harness.loadVolume(tmp_path / "sub-01_FLAIR.nii.gz")


def shape(volume) -> tuple[int, ...]:
    return volume.GetImageData().GetDimensions()


def masks(volume) -> dict[str, np.ndarray]:
    """New lesions up to the corners of the scan, enlarged ones in its middle, no others."""
    new, enlarged = np.zeros(shape(volume), bool), np.zeros(shape(volume), bool)
    new[0, 0, 0] = new[-1, -1, -1] = True
    enlarged[10:14, 20:22, 7:12] = np.random.default_rng(0).random((4, 2, 5)) < 0.5
    return {"new": new, "enlarged": enlarged, "stable": np.zeros(shape(volume), bool)}


def assertSame(node, volume, wanted) -> None:
    found = segments.getMasks(node, volume, list(wanted))
    assert all(np.array_equal(found[state], mask) for state, mask in wanted.items())


def test_every_voxel_comes_out_where_it_went_in(volume):
    node = segments.addSegmentation(volume, "new")
    segments.setMask(node, volume, masks(volume))
    assertSame(node, volume, masks(volume))


def test_setting_segments_anew_leaves_nothing_of_before(volume):
    node = segments.addSegmentation(volume, "new")
    segments.setMask(node, volume, masks(volume))
    exchanged = dict(zip(masks(volume), reversed(masks(volume).values()), strict=True))
    segments.setMask(node, volume, exchanged)
    assertSame(node, volume, exchanged)


def test_a_segment_is_no_larger_than_its_lesions(volume):
    node = segments.addSegmentation(volume, "new")
    segments.setMask(node, volume, masks(volume))
    extent = node.GetBinaryLabelmapInternalRepresentation("enlarged").GetExtent()
    assert (extent[0], extent[3], extent[5]) == (10, 21, 11)


def test_lesions_stay_on_a_scan_that_was_moved_without_its_segmentation(volume):
    node = segments.addSegmentation(volume, "new")
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 30.0)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix)
    volume.SetAndObserveTransformNodeID(transform.GetID())
    segments.setMask(node, volume, masks(volume))
    assertSame(node, volume, masks(volume))


def test_an_empty_segment_is_empty_wherever_the_scan_was_moved(volume):
    node = segments.addSegmentation(volume, "new")
    segments.setMask(node, volume, masks(volume))
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([1.0, -1.0, -1.0, 1.0])))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    found = segments.getMasks(node, volume, ["enlarged", "stable", "shrunken"])
    assert found["enlarged"].any() and not found["stable"].any() and not found["shrunken"].any()
