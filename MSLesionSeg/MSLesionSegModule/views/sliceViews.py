"""Slice views: what they show for a task, jumping into a lesion, and the person's own layout given back."""

from collections.abc import Mapping, Sequence

import slicer

from MSLesionSegLib.tasks import TASKS

from . import layouts
from .layouts import BEFORE, PAIR_VIEWS
from .zoom import OWN_MARKS, Zoom, crosshairNode


class Views:
    """Sets up the slice views of this scene for a task and gives the person's layout, links and crosshair back.

    What the person had is kept in the scene, so that it is known as well after saving and loading.
    """

    def __init__(self) -> None:
        self._pair: dict[str, str] = {}
        self._flickering = False
        self._zoom = Zoom()

    def show(self, task: str, volumes: Mapping[str, str]) -> None:
        """Show the inputs of a task (volume IDs by input name)."""
        row = TASKS[task]
        if row.compares:
            self._showPair(volumes)
            return
        self.restore()
        layers = {"background": volumes.get(row.reviewed_on)}
        if row.before_after:
            layers["foreground"] = volumes.get(row.before_after[0])
        self._setLayers(None, **layers)

    def jumpTo(self, ras: Sequence[float], lengthMm: float) -> None:
        """Show a lesion of this length, at a point in mm RAS, in every slice view."""
        self._zoom.lookAt(ras, lengthMm)

    def toggleZoom(self) -> None:
        """Show the whole brain, or the lesion from near again."""
        self._zoom.toggle()

    def flicker(self) -> bool:
        """Exchange the two scans of the pair in the views; True while they are exchanged."""
        if not self._pair:
            return False
        self._flickering = not self._flickering
        shown = (
            dict(zip(self._pair, reversed(self._pair.values()), strict=True))
            if self._flickering
            else self._pair
        )
        for scan, volume in shown.items():
            self._setLayers(PAIR_VIEWS[scan], background=volume)
        return self._flickering

    def overlay(self, volumeId: str | None) -> None:
        """Lay a volume, such as the subtraction, over the follow-up; None takes it away."""
        views = PAIR_VIEWS["followup"] if self._pair else None
        self._setLayers(views, foreground=volumeId, opacity=1.0 if volumeId else 0.0)

    def restore(self) -> None:
        """Give back the layout, the links and the crosshair that the person had."""
        layouts.leave()
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            linked = _forget(composite)
            if linked is not None:
                composite.SetLinkedControl(linked)
        crosshair = crosshairNode()
        if crosshair is not None:
            mode = _forget(crosshair)
            if mode is not None and crosshair.GetCrosshairMode() in OWN_MARKS:
                crosshair.SetCrosshairMode(mode)
        self._zoom.leave()
        self._pair, self._flickering = {}, False

    def _showPair(self, volumes: Mapping[str, str]) -> None:
        layouts.show()
        self._pair = {scan: volumes[scan] for scan in PAIR_VIEWS if volumes.get(scan)}
        self._flickering = False
        for scan, volume in self._pair.items():
            self._setLayers(PAIR_VIEWS[scan], background=volume, foreground=None)
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if composite.GetLayoutName() in (*PAIR_VIEWS["baseline"], *PAIR_VIEWS["followup"]):
                if composite.GetAttribute(BEFORE) is None:
                    composite.SetAttribute(BEFORE, str(composite.GetLinkedControl()))
                composite.SetLinkedControl(True)
        layout = slicer.app.layoutManager()
        if layout is not None:
            layout.resetSliceViews()  # new views do not fit their scan yet

    def _setLayers(self, views: Sequence[str] | None, **layers) -> None:
        """Set layers of some views, or of all: unlinked, since linked ones would copy each other."""
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if views is not None and composite.GetLayoutName() not in views:
                continue
            linked = composite.GetLinkedControl()
            composite.SetLinkedControl(False)
            if "background" in layers:
                composite.SetBackgroundVolumeID(layers["background"])
            if "foreground" in layers:
                composite.SetForegroundVolumeID(layers["foreground"])
                composite.SetForegroundOpacity(layers.get("opacity", 0.0))
            composite.SetLinkedControl(linked)


def _forget(node) -> int | None:
    """What a node has kept of before, which it forgets; None if nothing."""
    before = node.GetAttribute(BEFORE)
    node.RemoveAttribute(BEFORE)
    return None if before is None else int(before)


def pointedRAS() -> tuple[float, float, float] | None:
    """Where the mouse is in a view, or else where the crosshair is, in mm RAS."""
    crosshair = crosshairNode()
    if crosshair is None:
        return None
    cursor = [0.0, 0.0, 0.0]
    return tuple(cursor if crosshair.GetCursorPositionRAS(cursor) else crosshair.GetCrosshairRAS())
