"""The embedded Segment Editor: the few useful tools, on the segments of the current session."""

import slicer
import vtk

from ..widgets.signals import Signal

EFFECTS = ("Paint", "Draw", "Erase", "Threshold", "Islands", "Smoothing")
_BRUSH_MM = "BrushAbsoluteDiameter"  # of all effects, in the editor's node
_TAG = "MSLesionSeg"  # singleton tag: the state of Slicer's own Segment Editor is left alone


class Editor:
    """Wraps a qMRMLSegmentEditorWidget. ``effectChanged``: signal, with the tool that is taken; empty: put away."""

    def __init__(self, widget) -> None:
        self.effectChanged = Signal()
        self._widget = widget
        self._node = self._tag = None
        widget.autoShowSourceVolumeNode = False  # it would put the follow-up in the place of the baseline
        widget.segmentationNodeSelectorVisible = False
        widget.sourceVolumeNodeSelectorVisible = False
        widget.switchToSegmentationsButtonVisible = False
        # the segments and their voxels are fixed
        widget.addRemoveSegmentButtonsVisible = False
        widget.specifyGeometryButtonVisible = False
        widget.unorderedEffectsVisible = False
        widget.setEffectNameOrder(list(EFFECTS))
        # one undo: the review's, which knows of decisions too
        widget.undoEnabled = False
        widget.maximumNumberOfUndoStates = 0

    def edit(self, session) -> None:
        """Work on the lesions of a review, or on none."""
        widget = self._widget
        if session is None:
            widget.setActiveEffect(None)
            widget.setSegmentationNode(None)
            return
        node = _editorNode()
        widget.setMRMLSegmentEditorNode(node)
        self._observe(node)
        widget.setSegmentationNode(session.node)
        widget.setSourceVolumeNode(session.volume)

    def enter(self) -> None:
        """Let tools work in the views. The editor's own keys stay out: its undo would go past the review."""
        self._widget.setupViewObservations()
        self._widget.updateWidgetFromMRML()

    def exit(self) -> None:
        """Leave views to others; no effect stays active."""
        self.putAway()
        self._observe(None)
        self._widget.removeViewObservations()

    @property
    def effect(self) -> str:
        """The tool that is taken, or an empty text."""
        return "" if self._node is None else self._node.GetActiveEffectName() or ""

    @property
    def brushMm(self) -> float:
        """Diameter of the brush."""
        return float(self._node.GetAttribute(_BRUSH_MM) or 0.0)

    def setBrush(self, mm: float) -> None:
        """Change the diameter of the brush, whatever the views show."""
        self._node.SetAttribute("BrushDiameterIsRelative", "0")
        self._node.SetAttribute(_BRUSH_MM, f"{mm:g}")

    def work(self, segmentId: str, brushMm: float) -> None:
        """Correct a segment, with a brush of this diameter."""
        self._widget.setCurrentSegmentID(segmentId)
        self.setBrush(brushMm)

    def take(self, effect: str) -> None:
        """Take a tool."""
        self._widget.setActiveEffectByName(effect)

    def putAway(self) -> None:
        """No tool in the hand."""
        self._widget.setActiveEffect(None)

    def _observe(self, node) -> None:
        if node is self._node:
            return
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        if node is not None:
            self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._changed)

    def _changed(self, *_args) -> None:
        self.effectChanged.emit(self.effect)


def _editorNode():
    node = slicer.mrmlScene.GetSingletonNode(_TAG, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.vtkMRMLSegmentEditorNode()
        node.SetSingletonTag(_TAG)
        node = slicer.mrmlScene.AddNode(node)
        # a voxel may be of one state only
        node.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteAllSegments)
    return node
