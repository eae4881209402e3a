"""A scan under a transform that changes its size or shape is refused before anything is measured on it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import scene as harness
import slicer
import vtk
from MSLesionSegModule.jobs.segmenting import Segmenting
from MSLesionSegModule.scene import volumes
from MSLesionSegModule.scene.corrected import originalFiles
from MSLesionSegModule.scene.resultFolder import load
from MSLesionSegModule.scene.storedResult import readResult

from MSLesionSegLib.errors import ImageError
from phantoms.comparison import compared
from phantoms.hospital import save_patient

TURNED = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])


def linear(matrix: np.ndarray, name: str = "placed by hand"):
    """A transform node with this matrix (3 x 3)."""
    whole = np.eye(4)
    whole[:3, :3] = matrix
    whole[:3, 3] = (5.0, -3.0, 2.0)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(whole))
    return node


def bent(name: str = "acquisition transform"):
    """A transform node as Slicer makes it for slices with uneven distances."""
    field = vtk.vtkImageData()
    field.SetDimensions(2, 2, 3)
    field.SetSpacing(400.0, 400.0, 100.0)
    field.SetOrigin(-200.0, -200.0, -100.0)
    field.AllocateScalars(vtk.VTK_DOUBLE, 3)
    field.GetPointData().GetScalars().Fill(0.0)
    for point in range(8, 12):  # of the highest slice
        field.GetPointData().GetScalars().SetComponent(point, 2, 12.0)
    grid = slicer.vtkOrientedGridTransform()
    grid.SetDisplacementGridData(field)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode", name)
    node.SetAndObserveTransformToParent(grid)
    return node


def under(node, *transforms) -> None:
    """Put a node under transforms, the first next to it."""
    for transform in transforms:
        node.SetAndObserveTransformNodeID(transform.GetID())
        node = transform


@pytest.fixture
def scan(tmp_path) -> Path:
    save_patient(tmp_path / "sub-01_FLAIR.nii.gz")
    return tmp_path / "sub-01_FLAIR.nii.gz"


DISTORTING = {
    "larger": lambda: [linear(np.diag([1.02, 1.02, 1.02]))],
    "apart": lambda: [linear(np.diag([1.0, 1.0, 0.8]))],
    "mirrored": lambda: [linear(np.diag([-1.0, 1.0, 1.0]))],
    "bent": lambda: [bent()],
    "bent above a rigid one": lambda: [linear(TURNED), bent()],
    "rigid above a bent one": lambda: [bent(), linear(TURNED)],
    "larger above a rigid one": lambda: [linear(TURNED), linear(np.diag([1.1, 1.1, 1.1]))],
}


@pytest.mark.parametrize("kind", DISTORTING)
def test_a_scan_under_such_a_transform_is_refused_until_the_transform_is_hardened(
    scene, scan, tmp_path, kind
):
    volume = harness.loadVolume(scan)
    under(volume, *DISTORTING[kind]())
    with pytest.raises(ImageError, match=r"sub-01_FLAIR lies under a transform .* Harden the transform"):
        volumes.sourceFile(volume, tmp_path / "work", "flair")
    shown = [0.0] * 6
    volume.GetRASBounds(shown)
    volume.HardenTransform()
    written = nib.load(volumes.sourceFile(volume, tmp_path / "work", "flair"))
    corners = np.array(list(np.ndindex(2, 2, 2))) * written.shape - 0.5
    corners = nib.affines.apply_affine(written.affine, corners)
    measured = np.stack([corners.min(axis=0), corners.max(axis=0)], axis=1).ravel()
    assert measured == pytest.approx(shown, abs=3.0), "what is measured is what was shown, to a voxel"


@pytest.mark.parametrize("shear", [0.02, 0.3])
def test_a_scan_that_is_sheared_is_told_to_be_resampled(scene, scan, tmp_path, shear):
    volume = harness.loadVolume(scan)
    tilt = np.eye(3)
    tilt[1, 2] = shear
    under(volume, linear(tilt, "gantry tilt"))
    with pytest.raises(ImageError, match=r"\(gantry tilt\).*resample the scan"):
        volumes.sourceFile(volume, tmp_path, "flair")


@pytest.mark.parametrize(
    "chain", [[TURNED], [TURNED, TURNED], [np.diag([2.0, 2.0, 2.0]), np.diag([0.5, 0.5, 0.5])]]
)
def test_a_transform_that_only_turns_and_moves_is_harmless(scene, scan, tmp_path, chain):
    volume = harness.loadVolume(scan)
    under(volume, *map(linear, chain))
    assert volumes.sourceFile(volume, tmp_path, "flair") == scan


@pytest.mark.parametrize(
    ("task", "distorted"),
    [("new", "baseline"), ("new", "followup"), ("enhancing", "pre"), ("enhancing", "post")],
)
def test_no_search_begins_when_any_of_its_scans_is_distorted(scene, tmp_path, task, distorted):
    nodes = {}
    for name in {"new": ("baseline", "followup"), "enhancing": ("pre", "post")}[task]:
        save_patient(tmp_path / f"{name}.nii.gz")
        nodes[name] = harness.loadVolume(tmp_path / f"{name}.nii.gz")
    under(nodes[distorted], bent())
    with pytest.raises(ImageError, match=f"^{distorted} lies under a transform"):
        Segmenting(task, nodes, tmp_path)


def test_a_result_is_not_opened_onto_a_distorted_scan(scene, tmp_path):
    nodes, _files, folder = compared(tmp_path)
    under(nodes["baseline"], bent())
    before = scene.GetNumberOfNodes()
    result = readResult(folder / "result.json")
    with pytest.raises(ImageError, match="baseline_FLAIR lies under a transform"):
        result.show(result.scansInScene(), tmp_path)
    assert scene.GetNumberOfNodes() == before


def test_a_result_that_comes_after_the_scan_was_distorted_is_not_shown(scene, tmp_path):
    nodes, files, folder = compared(tmp_path)
    under(nodes["followup"], linear(np.diag([1.0, 1.0, 1.5])))
    with pytest.raises(ImageError, match="followup_FLAIR lies under a transform"):
        load(folder, nodes, files)


def test_a_scan_that_was_distorted_during_its_review_is_not_filed(scene, tmp_path):
    nodes, files, folder = compared(tmp_path)
    found = load(folder, nodes, files)
    assert originalFiles(found, tmp_path) == files, "where the registration put the baseline does no harm"
    under(nodes["followup"], bent())
    with pytest.raises(ImageError, match="followup_FLAIR lies under a transform"):
        originalFiles(found, tmp_path)
