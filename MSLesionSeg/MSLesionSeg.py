"""Slicer module: the panel in which a radiologist finds and corrects MS lesions and teaches the model."""

import sys
from pathlib import Path

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


def ensureCoreOnPath() -> None:
    """Make ``import MSLesionSegLib`` work when the module runs from the source tree.

    An installed extension finds the core by itself; in developer mode only this folder is on the path.
    """
    root = Path(__file__).resolve().parent.parent
    if (root / "MSLesionSegLib" / "__init__.py").exists() and str(root) not in sys.path:
        sys.path.append(str(root))


ensureCoreOnPath()

from MSLesionSegModule.logic import MSLesionSegLogic  # noqa: E402
from MSLesionSegModule.setup.startUp import startUp  # noqa: E402

POLL_MS = 50
HOME = "https://github.com/OWNER/SlicerMSLesionSeg"


class MSLesionSeg(ScriptedLoadableModule):
    """What Slicer shows about the module. Runs at application start, so it loads nothing heavy."""

    def __init__(self, parent):
        from MSLesionSegModule.review import keys

        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("MS Lesion Segmentation")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["SegmentEditor"]
        self.parent.contributors = ["MSLesionSeg contributors"]
        self.parent.helpText = (
            _(
                "Finds multiple sclerosis lesions on brain MRI, lets you correct them lesion by lesion and "
                "learns from your corrections. For research use only."
            )
            + f' <a href="{HOME}">{HOME}</a>'
        )
        self.parent.helpText += keys.helpText()
        self.parent.acknowledgementText = _("Built on 3D Slicer, PyTorch and MONAI.")
        slicer.app.connect("startupCompleted()", startUp)


class MSLesionSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: puts its sections together and keeps them bound to the scene."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self):
        from MSLesionSegModule.review.reviewSection import ReviewSection
        from MSLesionSegModule.sections.casesSection import CasesSection
        from MSLesionSegModule.sections.modelsSection import ModelsSection
        from MSLesionSegModule.sections.packagesSection import PackagesSection
        from MSLesionSegModule.sections.segmentSection import SegmentSection
        from MSLesionSegModule.sections.trainSection import TrainSection
        from MSLesionSegModule.timers import delayed
        from MSLesionSegModule.views.focus import Focus
        from MSLesionSegModule.views.sliceViews import Views

        ScriptedLoadableModuleWidget.setup(self)
        self._uiWidget = slicer.util.loadUI(self.resourcePath("UI/MSLesionSeg.ui"))
        self.layout.addWidget(self._uiWidget)
        self.ui = slicer.util.childWidgetVariables(self._uiWidget)
        self._uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = MSLesionSegLogic()
        self.ui.versionLabel.text = _("MSLesionSeg {version}").format(version=self.logic.coreVersion())

        self.timer = qt.QTimer()
        self.timer.interval = POLL_MS
        self.timer.timeout.connect(self.logic.poll)
        self.views = Views()
        self.showLater = delayed(0, self.showPair)
        self.packages = PackagesSection(self.ui, self.logic, self.say)
        self.review = ReviewSection(self.ui, self.views, self.say)
        self.models = ModelsSection(self.ui, self.logic, self.say)
        self.cases = CasesSection(self.ui, self.logic, self.say)
        self.train = TrainSection(self.ui, self.logic, self.say)
        self.segment = SegmentSection(self.ui, self.logic, self.say, self.views)
        self.sections = (self.packages, self.review, self.models, self.cases, self.train, self.segment)
        self.focus = Focus(self.ui, self.logic, self.views, self.review, self.cases, self.segment)
        self.packages.onChanged = self.onPackagesChanged
        self.cases.beforeAdding = self.review.takeEdits
        self.cases.showOpen = self.review.goToOpen
        self.cases.onChanged = self.train.update
        self.train.onModels = self.models.refresh
        self.models.onChanged = self.onModelsChanged

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAddedEvent, self.onNodeAdded)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self.onNodeRemoved)
        self.say("")
        self.initializeParameterNode()
        self.models.refresh()
        self.timer.start()

    def cleanup(self):
        self.exit()  # Reload does not leave the module before it cleans up
        self.timer.stop()
        self.showLater.stop()
        self.logic.cleanup()
        self.review.cleanup()
        self.removeObservers()

    def enter(self):
        self.initializeParameterNode()
        self.review.enter(slicer.util.mainWindow() or self._uiWidget)
        self.focus.enter()
        self.showPair()
        self.packages.refresh()

    def onReload(self):
        for name in [
            name for name in sys.modules if name.split(".")[0] in ("MSLesionSegModule", "MSLesionSegLib")
        ]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)
        if self.parent.isEntered:  # Slicer sets the new panel up, but does not enter it
            slicer.util.getModuleWidget(self.moduleName).enter()

    def exit(self):
        self.review.exit()
        self.views.restore()
        self.focus.exit()
        self.setParameterNode(None)

    def showPair(self):
        """Show both scans of a comparison that is under review."""
        session = self.review.session
        if self._parameterNode and session is not None and session.record["task"] == "new":
            self.views.show("new", session.volumeIds())

    def onSceneStartClose(self, caller, event):
        self.views.restore()  # once the scene is closed, it cannot be told any more what to give back
        self.logic.cancelSegmenting()
        self.segment.abandoned()
        self.focus.forget()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        self.logic.getParameterNode().Modified()  # the nodes that it refers to may have come after it
        if self.parent.isEntered:
            before = self.review.session
            self.initializeParameterNode()
            if self.review.session is not before:
                self.showLater.start()  # the views of the scene that was loaded are made after this event

    def onNodeAdded(self, caller, event):
        if self._parameterNode:
            self.segment.proposeSoon()
            self.focus.lookSoon()

    def onNodeRemoved(self, caller, event):
        self.focus.nodeRemoved()

    def onPackagesChanged(self):
        self.models.refresh()
        self.cases.update()
        self.segment.update()

    def onModelsChanged(self):
        self.segment.refreshModels()
        self.train.refreshModels()
        self.train.update()

    def onParameterNodeModified(self, caller, event):
        self.packages.setTask(self._parameterNode.task.value)
        self.segment.parametersChanged()
        self.train.parametersChanged()
        self.review.parametersChanged()

    def initializeParameterNode(self):
        """Bind the panel to this scene's parameter node, go on with its review and propose scans."""
        self.setParameterNode(self.logic.getParameterNode())
        shown, node = self.review.session, self._parameterNode.segmentation
        if shown is not None and shown.node is node and shown.inScene:
            self.review.resume()
        else:
            self.focus.restore(node)
        self.segment.proposeInputs()

    def setParameterNode(self, parameterNode):
        """Bind the panel to a parameter node, or to none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(
                self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified
            )
        self._parameterNode = parameterNode
        for section in (self.review, self.segment, self.train):
            section.parameters = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
            self.packages.setTask(self._parameterNode.task.value)
            self.segment.parametersChanged()
            self.train.parametersChanged()

    def say(self, sentence: str, error: bool = False, details: str = "") -> None:
        """Show a sentence on top of the panel; an error that has details also in a box."""
        self.ui.messageLabel.text = sentence
        self.ui.messageLabel.styleSheet = "font-weight: bold" if error else ""
        self.ui.messageLabel.visible = bool(sentence)
        if error and details:
            slicer.util.errorDisplay(sentence, detailedText=details)


class MSLesionSegTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: Reload and Test, or CTest."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        from MSLesionSegModule.selfTest import runLogicTest, runPanelTest, runStartTest

        self.setUp()
        window = slicer.util.mainWindow() is not None
        if window:
            slicer.util.selectModule("MSLesionSeg")
            runStartTest(self, slicer.util.getModuleWidget("MSLesionSeg"))
        logic = MSLesionSegLogic()
        try:
            missing = logic.packages.missing()
            if missing:
                self.delayDisplay(_("Skipped, as packages are missing: {names}").format(names=missing))
                self.skipTest(f"Not installed: {', '.join(missing)}")
            if not window:
                runLogicTest(self, logic)
        finally:
            logic.cleanup()
        if window:
            self.setUp()
            runPanelTest(self, slicer.util.getModuleWidget("MSLesionSeg"))
        self.delayDisplay("Passed")
