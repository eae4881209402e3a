"""The segmentation node: fixed segments per state of a lesion, with terminology and colours all can tell apart."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from MSLesionSegLib.lesions.components import bounding_box
from MSLesionSegLib.tasks import TASKS


@dataclass(frozen=True)
class SegmentClass:
    """``state``: of a lesion, and the segment's ID. ``colour``: of Okabe and Ito's palette (2008), 0 to 1."""

    state: str
    colour: tuple[float, float, float]


CLASSES = {
    entry.state: entry
    for entry in (
        SegmentClass("lesion", (0.90, 0.62, 0.00)),
        SegmentClass("new", (0.84, 0.37, 0.00)),
        SegmentClass("enlarged", (0.94, 0.89, 0.26)),
        SegmentClass("stable", (0.34, 0.71, 0.91)),
        SegmentClass("shrunken", (0.00, 0.62, 0.45)),
        SegmentClass("vanished", (0.80, 0.47, 0.65)),
        SegmentClass("enhancing", (0.84, 0.37, 0.00)),
    )
}
# SNOMED CT: morphologically altered structure, lesion, in the brain
_TERMINOLOGY = (
    "Segmentation category and type - DICOM master list~SCT^49755003^Morphologically Altered Structure"
    "~SCT^52988006^Lesion~^^~Anatomic codes - DICOM master list~SCT^12738006^Brain~^^"
)


def stateTitle(state: str) -> str:
    """What a state is called towards people."""
    return {
        "lesion": _("Lesion"),
        "new": _("New"),
        "enlarged": _("Enlarged"),
        "stable": _("Stable"),
        "shrunken": _("Shrunken"),
        "vanished": _("Vanished"),
        "enhancing": _("Enhancing"),
    }[state]


def addSegmentation(volumeNode, task: str):
    """Add an empty segmentation on the voxels of a volume, with the segments of the task, in the volume's place."""
    node = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLSegmentationNode", _("{volume} lesions").format(volume=volumeNode.GetName())
    )
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    node.SetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole(), volumeNode.GetID())
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    for state in TASKS[task].states:
        _addSegment(node, CLASSES[state])
    display = node.GetDisplayNode()
    display.SetAllSegmentsVisibility2DFill(False)
    display.SetVisibility2DOutline(True)
    display.SetSliceIntersectionThickness(2)
    _placeBeside(node, volumeNode)
    return node


def setMask(node, volumeNode, masks: Mapping[str, np.ndarray]) -> None:
    """Set segments by state from masks (i, j, k) on the voxels of the volume.

    Only the part around the lesions is handed over: most of a scan holds none, and a segment need not be as large.
    """
    logic = slicer.modules.segmentations.logic()
    wasModifying = node.StartModify()
    try:
        for state, mask in masks.items():
            name = vtk.vtkStringArray()
            name.InsertNextValue(state)
            image = labelmap(mask, volumeNode)
            if not logic.ImportLabelmapToSegmentationNode(image, node, name, _between(volumeNode, node)):
                raise RuntimeError(_("The lesions could not be put into the scene."))
    finally:
        node.EndModify(wasModifying)


def getMasks(node, volumeNode, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Masks (i, j, k; bool) of some segments on the voxels of the volume.

    Segments are read one by one, because Slicer's export of several drops voxels where they overlap. It fails on an
    empty one where the volume has been moved.
    """
    shape = volumeNode.GetImageData().GetDimensions()
    with _nothingLeft():
        return {
            segmentId: np.zeros(shape, bool)
            if _isEmpty(node, segmentId)
            else slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentId, volumeNode).T > 0
            for segmentId in names
        }


def union(masks: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """All masks together: bool (i, j, k)."""
    whole = np.zeros(shape, bool)
    for mask in masks.values():
        whole |= mask
    return whole


def _isEmpty(node, segmentId: str) -> bool:
    image = node.GetBinaryLabelmapInternalRepresentation(segmentId)
    voxels = None if image is None else image.GetPointData().GetScalars()
    value = node.GetSegmentation().GetSegment(segmentId).GetLabelValue()
    return voxels is None or not np.any(vtk_to_numpy(voxels) == value)


def labelmap(mask: np.ndarray, volumeNode):
    """The part of a mask (i, j, k) that holds lesions, in its place; a single empty voxel where there are none."""
    box = bounding_box(mask) or (slice(0, 1),) * 3
    return labelmapOf(mask[box], [part.start for part in box], volumeNode)


def labelmapOf(block: np.ndarray, low: Sequence[int], volumeNode):
    """A block of a mask that begins at the voxel ``low`` (i, j, k) of a volume, in its place."""
    image = slicer.vtkOrientedImageData()
    ends = ((int(start), int(start) + size - 1) for start, size in zip(low, block.shape, strict=True))
    image.SetExtent(*(end for pair in ends for end in pair))
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    vtk_to_numpy(image.GetPointData().GetScalars())[:] = block.ravel(order="F")
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    image.SetGeometryFromImageToWorldMatrix(matrix)
    return image


def _between(volumeNode, node):
    """The transform from the volume's place to the segmentation's, or None where they are the same."""
    if volumeNode.GetParentTransformNode() is node.GetParentTransformNode():
        return None
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        volumeNode.GetParentTransformNode(), node.GetParentTransformNode(), transform
    )
    return transform


@contextlib.contextmanager
def _nothingLeft():
    """Slicer's conversion takes away the volume that it works with, but leaves its display node in the scene."""
    kind = "vtkMRMLLabelMapVolumeDisplayNode"
    before = {display.GetID() for display in slicer.util.getNodesByClass(kind)}
    try:
        yield
    finally:
        for display in slicer.util.getNodesByClass(kind):
            if display.GetID() not in before:
                slicer.mrmlScene.RemoveNode(display)


def _addSegment(node, kind: SegmentClass) -> None:
    segmentation = node.GetSegmentation()
    segmentation.AddEmptySegment(kind.state, stateTitle(kind.state), list(kind.colour))
    segment = segmentation.GetSegment(kind.state)
    segment.SetTag(segment.GetTerminologyEntryTagName(), _TERMINOLOGY)


def _placeBeside(node, volumeNode) -> None:
    """Into the volume's study, where the subject hierarchy knows both."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    if hierarchy is None:
        return
    own, volume = hierarchy.GetItemByDataNode(node), hierarchy.GetItemByDataNode(volumeNode)
    if own and volume:
        hierarchy.SetItemParent(own, hierarchy.GetItemParent(volume))
