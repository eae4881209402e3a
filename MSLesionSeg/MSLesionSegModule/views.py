"""Slice views: what they show for a task, jumping into a lesion, and the person's own layout given back."""

from collections.abc import Mapping, Sequence

import slicer

PAIR_LAYOUT = 73501  # ids of other layouts are small, or chosen at random above 10000
_PAIR_VIEWS = {
    "baseline": ("BaselineAxial", "BaselineSagittal"),
    "followup": ("FollowupAxial", "FollowupSagittal"),
}
_ORIENTATIONS = ("Axial", "Sagittal")
_MARK = slicer.vtkMRMLCrosshairNode.ShowSmallIntersection
_COLOURS = {"baseline": "#56B4E9", "followup": "#D55E00"}


def pairLayout() -> str:
    """Layout description: baseline in the upper row, follow-up below it."""
    rows = []
    for scan, names in _PAIR_VIEWS.items():
        views = "".join(
            f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
            f'<property name="orientation" action="default">{orientation}</property>'
            f'<property name="viewlabel" action="default">{scan[0].upper()}{orientation[0]}</property>'
            f'<property name="viewcolor" action="default">{_COLOURS[scan]}</property>'
            "</view></item>"
            for name, orientation in zip(names, _ORIENTATIONS, strict=True)
        )
        rows.append(f'<item><layout type="horizontal">{views}</layout></item>')
    return f'<layout type="vertical">{"".join(rows)}</layout>'


class Views:
    """Sets up the slice views of this scene for a task and gives the person's layout, links and crosshair back."""

    def __init__(self) -> None:
        self._layoutBefore: int | None = None
        self._linkedBefore: dict[str, bool] = {}
        self._pair: dict[str, str] = {}
        self._flickering = False
        self._crosshairBefore: int | None = None

    def show(self, task: str, volumes: Mapping[str, str]) -> None:
        """Show the inputs of a task (volume IDs by input name)."""
        self.restore()
        if task == "new":
            self._showPair(volumes)
        elif task == "enhancing":
            self._setLayers(None, background=volumes.get("post"), foreground=volumes.get("pre"))
        else:
            self._setLayers(None, background=volumes.get("flair"))

    def jumpTo(self, ras: Sequence[float]) -> None:
        """Centre every slice view at a point in mm RAS and put a crosshair there that leaves its middle free."""
        slicer.vtkMRMLSliceNode.JumpAllSlices(
            slicer.mrmlScene, *ras, slicer.vtkMRMLSliceNode.CenteredJumpSlice
        )
        crosshair = crosshairNode()
        if crosshair is not None:
            crosshair.SetCrosshairRAS(*ras)
            if self._crosshairBefore is None:
                self._crosshairBefore = crosshair.GetCrosshairMode()
                crosshair.SetCrosshairMode(_MARK)

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
            self._setLayers(_PAIR_VIEWS[scan], background=volume)
        return self._flickering

    def overlay(self, volumeId: str | None) -> None:
        """Lay a volume, such as the subtraction, over the follow-up; None takes it away."""
        views = _PAIR_VIEWS["followup"] if self._pair else None
        self._setLayers(views, foreground=volumeId, opacity=1.0 if volumeId else 0.0)

    def restore(self) -> None:
        """Give back the layout, the links and the crosshair that the person had."""
        layout = slicer.app.layoutManager()
        # another layout than the pair's was chosen by the person meanwhile, and stays
        if self._layoutBefore is not None and layout is not None and layout.layout == PAIR_LAYOUT:
            layout.setLayout(self._layoutBefore)
        for name, linked in self._linkedBefore.items():
            node = slicer.mrmlScene.GetNodeByID(name)
            if node is not None:
                node.SetLinkedControl(linked)
        crosshair = crosshairNode()
        if (
            self._crosshairBefore is not None
            and crosshair is not None
            and crosshair.GetCrosshairMode() == _MARK
        ):
            crosshair.SetCrosshairMode(self._crosshairBefore)
        self._layoutBefore, self._linkedBefore, self._pair, self._flickering = None, {}, {}, False
        self._crosshairBefore = None

    def _showPair(self, volumes: Mapping[str, str]) -> None:
        layout = slicer.app.layoutManager()
        if layout is not None:
            node = layout.layoutLogic().GetLayoutNode()
            if not node.IsLayoutDescription(PAIR_LAYOUT):
                node.AddLayoutDescription(PAIR_LAYOUT, pairLayout())
            self._layoutBefore = layout.layout
            layout.setLayout(PAIR_LAYOUT)
        self._pair = {scan: volumes[scan] for scan in _PAIR_VIEWS if volumes.get(scan)}
        for scan, volume in self._pair.items():
            self._setLayers(_PAIR_VIEWS[scan], background=volume)
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if composite.GetLayoutName() in (*_PAIR_VIEWS["baseline"], *_PAIR_VIEWS["followup"]):
                self._linkedBefore[composite.GetID()] = bool(composite.GetLinkedControl())
                composite.SetLinkedControl(True)
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


def crosshairNode():
    """The crosshair of the scene, or None."""
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")


def pointedRAS() -> tuple[float, float, float] | None:
    """Where the mouse is in a view, or else where the crosshair is, in mm RAS."""
    crosshair = crosshairNode()
    if crosshair is None:
        return None
    cursor = [0.0, 0.0, 0.0]
    return tuple(cursor if crosshair.GetCursorPositionRAS(cursor) else crosshair.GetCrosshairRAS())
