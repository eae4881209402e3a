"""Slice views: what they show for a task, jumping into a lesion, and the person's own layout given back."""

from collections.abc import Mapping, Sequence

import slicer

from MSLesionSegLib.tasks import TASKS

from . import layouts
from .layouts import BEFORE, SUBTRACTION, Layout, layoutFor
from .windowing import MatchedWindows
from .zoom import OWN_MARKS, Zoom, crosshairNode


class Views:
    """Sets up the slice views of this scene for a task and gives the person's layout, links and crosshair back.

    What the person had is kept in the scene, so that it is known as well after saving and loading.
    """

    def __init__(self) -> None:
        self._layout: Layout | None = None
        self._volumes: dict[str, str] = {}  # that are side by side, by what they show
        self._exchanged = False
        self._zoom = Zoom()
        self._windows = MatchedWindows()

    def show(self, task: str, volumes: Mapping[str, str]) -> None:
        """Show the inputs of a task (volume IDs by input name, and the subtraction's)."""
        layout, row = layoutFor(task, volumes), TASKS[task]
        if layout is None or not layout.views:
            self.restore(layout)
            self._setLayers(None, background=volumes.get(row.reviewed_on))
        else:
            self._showBeside(layout, volumes)
        if layout is not None:
            self._fit()

    def jumpTo(self, ras: Sequence[float], lengthMm: float) -> None:
        """Show a lesion of this length, at a point in mm RAS, in every slice view."""
        self._zoom.lookAt(ras, lengthMm)

    def toggleZoom(self) -> None:
        """Show the whole brain, or the lesion from near again."""
        self._zoom.toggle()

    def flicker(self) -> bool:
        """Exchange two scans that are side by side in the views; True while they are exchanged."""
        if self._layout is None:
            return False
        self._exchanged = not self._exchanged
        for place in self._layout.exchanged:
            self._put(place)
        return self._exchanged

    def overlay(self, volumeId: str | None) -> None:
        """Lay a volume, such as the subtraction, over the follow-up; None takes it away."""
        views = None if self._layout is None else self._layout.views[self._layout.exchanged[-1]]
        self._setLayers(views, foreground=volumeId, opacity=1.0 if volumeId else 0.0)
        if views is not None:
            _head(views, SUBTRACTION if volumeId else self._shownAt(self._layout.exchanged[-1]))

    def restore(self, layout: Layout | None = None) -> None:
        """Give back the layout, the links and the crosshair that the person had; ``layout``: that comes instead."""
        if layout is None:
            layouts.leave()
        else:
            layouts.show(layout)
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
        self._windows.match([])
        self._layout, self._volumes, self._exchanged = None, {}, False

    def _showBeside(self, layout: Layout, volumes: Mapping[str, str]) -> None:
        layouts.show(layout)
        self._layout, self._exchanged = layout, False
        self._volumes = {shown: volumes[shown] for shown in layout.views if volumes.get(shown)}
        for place in layout.views:
            self._put(place)
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if composite.GetLayoutName() in layout.names:
                if composite.GetAttribute(BEFORE) is None:
                    composite.SetAttribute(BEFORE, str(composite.GetLinkedControl()))
                composite.SetLinkedControl(True)
        matched = [slicer.mrmlScene.GetNodeByID(self._volumes.get(shown, "")) for shown in layout.exchanged]
        self._windows.match([volume for volume in matched if volume is not None])

    def _put(self, place: str) -> None:
        """Show in the views of a scan what belongs there now."""
        shown = self._shownAt(place)
        if shown in self._volumes:
            self._setLayers(self._layout.views[place], background=self._volumes[shown], foreground=None)
        _head(self._layout.views[place], shown)

    def _shownAt(self, place: str) -> str:
        pair = self._layout.exchanged
        return pair[1 - pair.index(place)] if self._exchanged and place in pair else place

    def _fit(self) -> None:
        manager = slicer.app.layoutManager()
        if manager is not None:
            manager.resetSliceViews()  # new views do not fit their scan yet

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


def _head(views: Sequence[str], shown: str) -> None:
    """Say over views what they show."""
    manager = slicer.app.layoutManager()
    for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        if view.GetLayoutName() not in views:
            continue
        view.SetLayoutLabel(layouts.heading(shown))
        view.SetLayoutColor(*layouts.colour(shown))
        widget = None if manager is None else manager.sliceWidget(view.GetLayoutName())
        if widget is None:
            continue
        for label in slicer.util.findChildren(widget, "ViewLabel"):
            label.minimumWidth = label.sizeHint.width()  # else it is cut off in a narrow view
        for button in slicer.util.findChildren(widget, "FitToWindowToolButton"):
            button.visible = False  # Space does that, and without its room the views fit a small screen


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
