"""A layout manager over Slicer's own layout and slice logics: what a window adds to a scene, without drawing it."""

from __future__ import annotations

from collections.abc import Callable

import slicer

_managers: list[LayoutManager] = []


def manager() -> LayoutManager:
    """The layout manager of the window over the harness's scene, made when it is first asked for."""
    if not _managers:
        _managers.append(LayoutManager(slicer.mrmlScene, slicer.harnessApplicationLogic))
    return _managers[0]


class LayoutManager:
    """As strict as ``qMRMLLayoutManager``: an equal number does nothing, and a layout not described shows nothing.

    ``onLayoutChanged`` is called as its signal is emitted.
    """

    def __init__(self, scene, applicationLogic) -> None:
        self.onLayoutChanged: list[Callable[[int], None]] = []
        self.fitted = 0
        self.threeDViewCount = 0  # nothing is drawn
        self._scene = scene
        self._application = applicationLogic
        self._sliceLogics: dict[str, object] = {}
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLApplicationLogic(applicationLogic)
        self._logic.SetMRMLScene(scene)
        self._node.AddObserver("ModifiedEvent", self._update)
        scene.AddObserver(scene.EndBatchProcessEvent, self._update)
        self._update()

    @property
    def layout(self) -> int:
        return self._node.GetViewArrangement()

    def setLayout(self, layout: int) -> None:
        if self.layout == layout:
            return
        if not self._node.IsLayoutDescription(layout):
            layout = slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView
        self._node.RemoveAllMaximizedViewNodes()
        self._node.SetViewArrangement(layout)

    def layoutLogic(self):
        return self._logic

    def sliceWidget(self, name: str) -> None:
        """None: nothing is drawn."""

    def resetSliceViews(self) -> None:
        self.fitted += 1
        for logic in self._sliceLogics.values():
            logic.FitSliceToBackground(True)

    def shown(self) -> list[str]:
        """Not of the real one: names of the slice views that a person sees now."""
        views = self._logic.GetViewNodes()
        nodes = [views.GetItemAsObject(i) for i in range(views.GetNumberOfItems())]
        names = [node.GetLayoutName() for node in nodes if node.IsA("vtkMRMLSliceNode")]
        return names if self._node.GetCurrentLayoutDescription() else []

    @property
    def _node(self):
        return self._logic.GetLayoutNode()

    def _update(self, *_args) -> None:
        """Make what draws each slice view, as the widgets of a layout do; not while many nodes come or go."""
        if self._scene.IsBatchProcessing():
            return
        shown = self.shown()
        for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            view.SetMappedInLayout(view.GetLayoutName() in shown)
            if view.GetLayoutName() and view.GetLayoutName() not in self._sliceLogics:
                logic = slicer.vtkMRMLSliceLogic()
                logic.SetMRMLApplicationLogic(self._application)
                logic.SetMRMLScene(self._scene)
                logic.SetSliceNode(view)
                self._sliceLogics[view.GetLayoutName()] = logic
        for tell in self.onLayoutChanged:
            tell(self.layout)
