"""Slicer module: the panel in which a radiologist finds and corrects MS lesions and teaches the model."""

import sys
from pathlib import Path

import qt
import slicer
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

    def setup(self):
        from types import SimpleNamespace

        from MSLesionSegModule.parameters import BoundParameters
        from MSLesionSegModule.review.reviewMode import ReviewMode
        from MSLesionSegModule.review.reviewSection import ReviewSection
        from MSLesionSegModule.sections.dicomExport import DicomExport
        from MSLesionSegModule.sections.fineTuningSection import FineTuningSection
        from MSLesionSegModule.sections.modelsSection import ModelsSection
        from MSLesionSegModule.sections.packagesSection import PackagesSection
        from MSLesionSegModule.sections.scansSection import ScansSection
        from MSLesionSegModule.sections.searchSection import SearchSection
        from MSLesionSegModule.sections.trainingSetSection import TrainingSetSection
        from MSLesionSegModule.storage.modelStore import ModelStore
        from MSLesionSegModule.storage.trainingSet import TrainingSet
        from MSLesionSegModule.views.focus import Focus
        from MSLesionSegModule.views.sliceViews import Views
        from MSLesionSegModule.widgets.form import keepWidth, loadForm
        from MSLesionSegModule.widgets.messageLine import MessageLine
        from MSLesionSegModule.widgets.timers import delayed

        ScriptedLoadableModuleWidget.setup(self)
        self.logic = logic = MSLesionSegLogic()
        self.parameters = parameters = BoundParameters()
        self.views = views = Views()
        frame, frameUi = loadForm("MSLesionSeg")
        keepWidth(frame)
        frameUi.versionLabel.text = _("MSLesionSeg {version}").format(version=logic.coreVersion())
        review, reviewUi = loadForm("Review")
        say = MessageLine(reviewUi.messageLabel)
        self.packages = PackagesSection(logic.packages, parameters, say)
        self.modelStore, self.trainingSet = ModelStore(), TrainingSet()
        self.models = ModelsSection(logic, self.modelStore, self.packages)
        self.scans = ScansSection(logic.packages, self.modelStore, parameters, reviewUi.nextScanButton, say)
        self.search = SearchSection(logic, self.scans, parameters, views, say)
        self.review = ReviewSection(review, reviewUi, parameters, views, self.search.ui, say)
        self.cases = TrainingSetSection(logic, self.trainingSet, self.review, self.packages, say)
        self.dicom = DicomExport(logic, self.review, say)
        self.train = FineTuningSection(
            logic, self.trainingSet, self.modelStore, parameters, self.search.ui.logText
        )
        self.mode = ReviewMode(
            (self.scans.ui.inputsCollapsibleButton, self.search.ui.segmentCollapsibleButton),
            reviewUi.lesionsCollapsibleButton,
        )
        followers = (self.cases, self.dicom, self.mode)
        self.focus = Focus(logic, parameters, views, self.review, followers, self.scans, self.search)
        self.ui = SimpleNamespace(**vars(frameUi))  # all widgets by name
        for section in (
            self.scans,
            self.search,
            self.review,
            self.cases,
            self.train,
            self.models,
            self.packages,
        ):
            frameUi.sections.layout().addWidget(section.widget)
            vars(self.ui).update(vars(section.ui))
        self.layout.addWidget(frame)
        for box in self.parent.findChildren(qt.QLineEdit):
            box.returnPressed.connect(self.review.takeKeys)

        self.timer = qt.QTimer()
        self.timer.interval = POLL_MS
        self.timer.timeout.connect(logic.poll)
        self.showLater = delayed(0, self.showSession)
        for event, action in (
            (slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose),
            (slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose),
            (slicer.mrmlScene.EndImportEvent, self.onSceneEndImport),
            (slicer.mrmlScene.NodeAddedEvent, self.onNodeAdded),
            (slicer.mrmlScene.NodeRemovedEvent, self.onNodeRemoved),
        ):
            self.addObserver(slicer.mrmlScene, event, action)
        self.initializeParameterNode()
        self.modelStore.look()
        self.timer.start()

    def cleanup(self):
        self.exit()  # Reload does not leave the module before it cleans up
        self.timer.stop()
        self.showLater.stop()
        self.search.cleanup()
        self.modelStore.stop()
        self.trainingSet.stop()
        self.logic.cleanup()
        self.review.cleanup()
        self.removeObservers()

    def enter(self):
        self.initializeParameterNode()
        self.review.enter(slicer.util.mainWindow() or self.parent)
        self.mode.enter(self.review.session)
        self.focus.enter()
        self.showSession()
        self.packages.refresh()
        self.dicom.refresh()
        self.trainingSet.look()

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
        self.mode.exit()
        self.views.restore()
        self.focus.exit()
        self.parameters.bind(None)

    def showSession(self):
        """Show the scans under review in a layout that suits them, where they need one."""
        from MSLesionSegModule.views.layouts import layoutFor

        session = self.review.session
        if self.parameters.node and session is not None and layoutFor(session.task.name, session.viewIds()):
            self.views.show(session.task.name, session.viewIds())
            self.review.showCurrent()

    def onSceneStartClose(self, caller, event):
        self.views.restore()  # once the scene is closed, it cannot be told any more what to give back
        self.logic.cancelSegmenting()
        self.search.abandoned()
        self.focus.forget()
        self.scans.forget()
        self.parameters.bind(None)

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
        if self.parameters.node:
            self.scans.proposeSoon()
            self.focus.lookSoon()

    def onNodeRemoved(self, caller, event):
        self.focus.nodeRemoved()

    def initializeParameterNode(self):
        """Bind the panel to this scene's parameter node, go on with its review and propose scans."""
        self.parameters.bind(self.logic.getParameterNode(), self.ui)
        shown, node = self.review.session, self.parameters.node.segmentation
        if shown is not None and shown.node is node and shown.inScene:
            self.review.resume()
        else:
            self.focus.restore(node)
        self.scans.propose()


class MSLesionSegTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: Reload and Test, or CTest."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        from MSLesionSegModule.selfTest.logicTest import runLogicTest, runStartTest
        from MSLesionSegModule.selfTest.panelTest import runPanelTest

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
