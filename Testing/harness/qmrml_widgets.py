"""Stand-ins for Slicer's widgets: the members that the panel uses, named as in their headers."""

from __future__ import annotations

import slicer
from PySide6 import QtGui, QtWidgets
from PySide6.QtCore import Property, Signal


class qMRMLWidget(QtWidgets.QWidget):
    mrmlSceneChanged = Signal(object)
    isEntered = False

    def setMRMLScene(self, scene):
        self._scene = scene
        for child in self.findChildren(QtWidgets.QWidget):
            if child is not self and hasattr(child, "setMRMLScene"):
                child.setMRMLScene(scene)
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene


class qMRMLNodeComboBox(QtWidgets.QComboBox):
    currentNodeChanged = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._types, self._scene, self._ids, self._tags = [], None, [None], []
        self._none = True
        self.addItem("None")
        self.currentIndexChanged.connect(lambda index: self.currentNodeChanged.emit(self.currentNode()))

    def setMRMLScene(self, scene):
        if self._scene is scene:
            return
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene, self._tags = scene, []
        if scene is None:
            return
        for event in (
            scene.NodeAddedEvent,
            scene.NodeRemovedEvent,
            scene.EndCloseEvent,
            scene.EndImportEvent,
        ):
            self._tags.append(scene.AddObserver(event, self._refresh))
        self._refresh()

    def currentNode(self):
        index = self.currentIndex()
        nodeId = self._ids[index] if 0 <= index < len(self._ids) else None
        return self._scene.GetNodeByID(nodeId) if nodeId and self._scene else None

    def setCurrentNode(self, node):
        self._refresh()
        nodeId = node.GetID() if node is not None else None
        self.setCurrentIndex(self._ids.index(nodeId) if nodeId in self._ids else 0)

    def _refresh(self, *_args):
        before = self._ids[self.currentIndex()] if self.currentIndex() >= 0 else None
        nodes = [
            node
            for kind in self._types
            for node in slicer.util.getNodesByClass(kind)
            if not node.GetHideFromEditors() and node.GetClassName() in self._types
        ]
        self.blockSignals(True)
        self.clear()
        self._ids = [None] + [node.GetID() for node in nodes]
        self.addItem("None")
        for node in nodes:
            self.addItem(node.GetName() or node.GetID())
        self.setCurrentIndex(self._ids.index(before) if before in self._ids else 0)
        self.blockSignals(False)
        if before is not None and before not in self._ids:
            self.currentNodeChanged.emit(None)

    def _flag(name):
        return Property(bool, lambda self: getattr(self, name, False), lambda self, v: setattr(self, name, v))

    nodeTypes = Property(
        "QStringList", lambda self: self._types, lambda self, v: setattr(self, "_types", list(v))
    )
    noneEnabled = _flag("_none")
    addEnabled = _flag("_add")
    removeEnabled = _flag("_remove")
    renameEnabled = _flag("_rename")
    showChildNodeTypes = _flag("_children")


class qMRMLSegmentEditorWidget(QtWidgets.QLabel):
    """Slicer's own logic of the Segment Editor, with its history, below a widget that paints nothing.

    ``paint`` does what a brush does.
    """

    _KEYS = (*"1234567890ZYQWI", "Esc", "Space", "Ctrl+Z", "Ctrl+Y")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._segment, self._editor, self._keys, self._undoShown = "", None, [], True
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self.setText("Paint   Draw   Erase   Threshold   Islands   Smoothing")
        self.setFrameShape(QtWidgets.QFrame.StyledPanel)
        self.setMinimumHeight(60)

    def setMRMLScene(self, scene):
        self._logic.SetMRMLScene(scene)

    def setMRMLSegmentEditorNode(self, node):
        if not node.IsA("vtkMRMLSegmentEditorNode"):
            raise TypeError(node)
        self._editor = node
        self._logic.SetSegmentEditorNode(node)

    def mrmlSegmentEditorNode(self):
        return self._editor

    def setSegmentationNode(self, node):
        self._needEditorNode(node)
        self._logic.SetSegmentationNode(node)

    def segmentationNode(self):
        return self._logic.GetSegmentationNode()

    def setSourceVolumeNode(self, node):
        self._needEditorNode(node)
        self._logic.SetSourceVolumeNode(node)
        if node is not None and self.autoShowSourceVolumeNode:
            for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
                composite.SetBackgroundVolumeID(node.GetID())

    def sourceVolumeNode(self):
        return self._logic.GetSourceVolumeNode()

    def setCurrentSegmentID(self, name):
        if self.segmentationNode().GetSegmentation().GetSegment(name) is None:
            raise ValueError(f"no segment {name}")
        self._segment = name

    def currentSegmentID(self):
        return self._segment

    def setActiveEffectByName(self, name):
        self._needEditorNode(name or None)
        if self._editor is not None:
            self._editor.SetActiveEffectName(name)

    def setActiveEffect(self, effect):
        if effect is not None:
            raise TypeError("only None can be given without an effect object")
        self.setActiveEffectByName("")

    def _needEditorNode(self, given):
        if given is not None and self._editor is None:
            raise AssertionError("Invalid segment editor parameter set node")

    def setEffectNameOrder(self, names):
        self._order = list(names)

    def updateWidgetFromMRML(self):
        pass

    def undo(self):
        self._logic.Undo()

    def redo(self):
        self._logic.Redo()

    def installKeyboardShortcuts(self, parent=None):
        self.uninstallKeyboardShortcuts()
        actions = {"Z": self.undo, "Ctrl+Z": self.undo, "Y": self.redo, "Ctrl+Y": self.redo}
        for key in self._KEYS:
            shortcut = QtGui.QShortcut(QtGui.QKeySequence(key), parent)
            shortcut.activated.connect(actions.get(key, lambda: None))
            self._keys.append(shortcut)

    def uninstallKeyboardShortcuts(self):
        for shortcut in self._keys:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._keys = []

    def setupViewObservations(self):
        pass

    def removeViewObservations(self):
        pass

    def activeEffectName(self):
        """Not of the real widget: for assertions."""
        return "" if self._editor is None else self._editor.GetActiveEffectName() or ""

    def paint(self, voxel, value=1):
        """Not of the real widget: set one voxel (i, j, k) of the current segment, as a click of the brush does."""
        self._logic.SaveStateForUndo()
        node, source = self.segmentationNode(), self.sourceVolumeNode()
        array = slicer.util.arrayFromSegmentBinaryLabelmap(node, self._segment, source)
        array = array.copy()
        array.T[tuple(voxel)] = value
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, self._segment, source)

    def _flag(name):
        return Property(bool, lambda self: getattr(self, name, True), lambda self, v: setattr(self, name, v))

    def _enableUndo(self, enabled):
        if enabled:
            self._logic.ClearUndoState()
        self._undoShown = enabled

    segmentationNodeSelectorVisible = _flag("_selector")
    sourceVolumeNodeSelectorVisible = _flag("_sourceSelector")
    switchToSegmentationsButtonVisible = _flag("_switch")
    autoShowSourceVolumeNode = _flag("_autoShow")
    addRemoveSegmentButtonsVisible = _flag("_addRemove")
    specifyGeometryButtonVisible = _flag("_geometry")
    unorderedEffectsVisible = _flag("_unordered")
    undoEnabled = Property(bool, lambda self: self._undoShown, _enableUndo)
    maximumNumberOfUndoStates = Property(
        int,
        lambda self: self._logic.GetMaximumNumberOfUndoStates(),
        lambda self, states: self._logic.SetMaximumNumberOfUndoStates(states),
    )
