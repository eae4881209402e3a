"""What ends a real Slicer but passes without its window: written down, so that the test in which it happens fails."""

from __future__ import annotations

import vtk

told: list[str] = []


def watch(scene) -> None:
    """Watch a scene for what Slicer's views do not survive."""
    scene.AddObserver(scene.NodeAboutToBeRemovedEvent, _aboutToBeRemoved)


@vtk.calldata_type(vtk.VTK_OBJECT)
def _aboutToBeRemoved(scene, event, node) -> None:
    """The 3D views keep the display node of a segmentation until that has gone, and use it once more then."""
    if scene.IsClosing() or not node.IsA("vtkMRMLSegmentationDisplayNode"):
        return
    owner = node.GetDisplayableNode()
    if owner is not None and scene.IsNodePresent(owner):
        told.append(f"the display node of {owner.GetName()} is removed before its segmentation")


def check() -> None:
    """Fail if anything was written down since the last call."""
    happened, told[:] = list(told), []
    assert happened == [], "this crashes Slicer"
