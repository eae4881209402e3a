"""Segmentations that are only drawn over a review: nobody edits them, and no scene keeps them."""

import slicer

NAME = "MSLesionSeg marks"


def addOverlay(width: int):
    """Add an empty segmentation that is seen as outlines in slice views; ``width`` in pixels."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", NAME)
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSaveWithScene(False)
    display.SetAllSegmentsVisibility2DFill(False)
    display.SetVisibility2DFill(False)
    display.SetVisibility3D(False)
    display.SetSliceIntersectionThickness(width)
    return node


def draw(node, name: str, image) -> None:
    """Put a labelmap into a segment, in place of what it held."""
    segmentation = node.GetSegmentation()
    segment = slicer.vtkSegment()
    segment.SetName(name)
    kind = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segment.AddRepresentation(kind, image)
    if segmentation.GetSegment(name) is not None:
        segmentation.RemoveSegment(name)
    segmentation.AddSegment(segment, name)
