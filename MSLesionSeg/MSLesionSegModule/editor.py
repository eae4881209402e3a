"""The embedded Segment Editor: the few useful tools, on the segments of the current findings."""

import slicer

_EFFECTS = ("Paint", "Draw", "Erase", "Threshold", "Islands", "Smoothing")
_TAG = "MSLesionSeg"  # singleton tag: the state of Slicer's own Segment Editor is left alone
_UNDO_STATES = 10


class Editor:
    """Wraps a qMRMLSegmentEditorWidget."""

    def __init__(self, widget) -> None:
        self._widget = widget
        # it would put the follow-up in the place of the baseline, and without an editor node Slicer crashes on it
        widget.autoShowSourceVolumeNode = False

    def edit(self, findings) -> None:
        """Work on these findings, or on none."""
        widget = self._widget
        if findings is None:
            widget.setActiveEffect(None)
            widget.setSegmentationNode(None)
            return
        widget.setMRMLSegmentEditorNode(_editorNode())
        widget.segmentationNodeSelectorVisible = False
        widget.sourceVolumeNodeSelectorVisible = False
        widget.switchToSegmentationsButtonVisible = False
        # the segments and their voxels are fixed
        widget.addRemoveSegmentButtonsVisible = False
        widget.specifyGeometryButtonVisible = False
        widget.unorderedEffectsVisible = False
        widget.setEffectNameOrder(list(_EFFECTS))
        widget.maximumNumberOfUndoStates = _UNDO_STATES
        widget.setSegmentationNode(findings.node)
        widget.setSourceVolumeNode(findings.volume)

    def enter(self, parent) -> None:
        """Listen to the editor's keys in the window ``parent``."""
        self._widget.installKeyboardShortcuts(parent)
        self._widget.setupViewObservations()
        self._widget.updateWidgetFromMRML()

    def exit(self) -> None:
        """Leave keys and views to others; no effect stays active."""
        self.putAway()
        self._widget.uninstallKeyboardShortcuts()
        self._widget.removeViewObservations()

    def takeBrush(self, segmentId: str) -> None:
        """Paint into a segment."""
        self._widget.setCurrentSegmentID(segmentId)
        self._widget.setActiveEffectByName("Paint")

    def putAway(self) -> None:
        """No tool in the hand."""
        self._widget.setActiveEffect(None)


def _editorNode():
    node = slicer.mrmlScene.GetSingletonNode(_TAG, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.vtkMRMLSegmentEditorNode()
        node.SetSingletonTag(_TAG)
        node = slicer.mrmlScene.AddNode(node)
        # a voxel may be of one state only
        node.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteAllSegments)
    return node
