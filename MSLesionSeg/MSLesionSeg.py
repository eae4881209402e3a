"""Slicer module: the panel in which a radiologist finds and corrects MS lesions and teaches the model."""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
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

from MSLesionSegModule.parameters import MSLesionSegParameterNode  # noqa: E402

POLL_MS = 50
HOME = "https://github.com/OWNER/SlicerMSLesionSeg"


class MSLesionSeg(ScriptedLoadableModule):
    """What Slicer shows about the module. Runs at application start, so it loads nothing heavy."""

    def __init__(self, parent):
        from MSLesionSegModule import keys

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
        slicer.app.connect("startupCompleted()", onStartupCompleted)


def onStartupCompleted():
    """Offer data to try the module with, and go on where a restart for its packages left off."""
    from MSLesionSegModule.sampleData import register
    from MSLesionSegModule.torchExtension import reopenModule

    register()
    reopenModule()


class MSLesionSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: puts its sections together and keeps them bound to the scene."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self):
        from MSLesionSegModule.casesSection import CasesSection
        from MSLesionSegModule.focus import Focus
        from MSLesionSegModule.modelsSection import ModelsSection
        from MSLesionSegModule.packagesSection import PackagesSection
        from MSLesionSegModule.reviewSection import ReviewSection
        from MSLesionSegModule.segmentSection import SegmentSection
        from MSLesionSegModule.trainSection import TrainSection
        from MSLesionSegModule.views import Views

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
        self.logic.cleanup()
        self.review.cleanup()
        self.removeObservers()

    def enter(self):
        self.initializeParameterNode()
        self.review.enter(slicer.util.mainWindow() or self._uiWidget)
        self.focus.enter()
        if self.review.findings is not None and self.review.findings.record["task"] == "new":
            self.views.show("new", self.review.findings.volumeIds())
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

    def onSceneStartClose(self, caller, event):
        self.logic.cancelSegmenting()
        self.segment.abandoned()
        self.focus.forget()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        self.views.restore()
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

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
        shown, node = self.review.findings, self._parameterNode.segmentation
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


class MSLesionSegLogic(ScriptedLoadableModuleLogic):
    """Works without a panel, from Slicer's Python console::

    logic = slicer.util.getModuleLogic("MSLesionSeg")
    findings = logic.segment("flair", {"flair": slicer.util.getNode("FLAIR")})
    for row in findings.review.rows:
        print(row.lesion.id, row.lesion.volume_mm3, row.lesion.region)
    logic.addCase(findings, "/data/cases", reviewer="R1")
    print(logic.fineTune("/data/cases", minutes=15, wait=True)["gate"]["sentence"])
    """

    def __init__(self):
        from MSLesionSegModule.packages import Packages
        from MSLesionSegModule.runningJobs import RunningJobs

        ScriptedLoadableModuleLogic.__init__(self)
        self._folder = None
        self._searches = []
        self._jobs = RunningJobs()
        resources = Path(__file__).parent / "Resources"
        settings = Path(slicer.app.slicerUserSettingsFilePath).parent
        self.packages = Packages(resources / "requirements.txt", settings / "MSLesionSeg" / "ants")

    def getParameterNode(self):
        return MSLesionSegParameterNode(super().getParameterNode())

    def coreVersion(self) -> str:
        """Version of the Python core that this module drives."""
        from MSLesionSegLib import __version__

        return __version__

    def findingsOf(self, segmentation):
        """The findings that a segmentation node holds, to go on with their review; None for any other node."""
        from MSLesionSegModule.findings import Findings
        from MSLesionSegModule.packages import coreImportable

        return Findings.ofNode(segmentation) if coreImportable() else None

    def segment(
        self,
        task: str,
        volumes: Mapping[str, Any],
        model: str | None = None,
        device: str = "auto",
        correctBias: bool = False,
        wait: bool = True,
        onEvent=lambda event: None,
        onFinished=lambda findings, outcome: None,
    ):
        """Find lesions on volumes of the scene.

        Args:
            task: ``flair``, ``new`` or ``enhancing``.
            volumes: volume node by input name: flair; baseline and followup; pre, post and optionally flair.
            model: name of a stored model; None takes the one in use.
            device: ``auto``, ``cpu`` or ``cuda``.
            correctBias: correct the bias field first.
            wait: return the findings; otherwise return the job at once and call ``onFinished`` at the end.
            onEvent: called with every event of the job.

        Raises:
            RuntimeError: it could not be done (with ``wait``); the sentence says why.
        """
        from MSLesionSegModule.segmenting import Segmenting

        run = Segmenting(
            task,
            volumes,
            self.workFolder(),
            model,
            device,
            correctBias,
            onEvent,
            onFinished,
            self.packages.antsFolder,
        )
        self._searches = [job for job in self._searches if job.outcome is None] + [run.job]
        self._jobs.add(run.job)
        if not wait:
            return run.job
        self._jobs.result(run.job)
        return run.findings

    def openResult(self, path):
        """Bring a result that the command line stored into the scene; returns the findings to review.

        One that is in the scene already is gone on with. Its scans must have been loaded, from the very files.

        Args:
            path: ``result.json`` of the result folder.

        Raises:
            MSLesionSegError: it cannot be shown; the sentence says why.
        """
        from MSLesionSegModule.storedResult import readResult

        result = readResult(Path(path))
        return result.goOn() or result.show(result.scansInScene(), self.workFolder())

    def addCase(self, findings, folder, reviewer: str = "", minutes: float | None = None) -> dict[str, Any]:
        """File the corrected mask as a training case; returns what the core says about it.

        Raises:
            RuntimeError: it could not be done; the sentence says why.
        """
        return self._jobs.result(self.startAddCase(findings, folder, reviewer, minutes))

    def startAddCase(
        self,
        findings,
        folder,
        reviewer: str = "",
        minutes: float | None = None,
        onFinished=lambda outcome: None,
    ):
        """As :meth:`addCase`, but return the job at once."""
        from MSLesionSegModule.filing import addArguments

        findings.takeEdits()
        work = Path(tempfile.mkdtemp(prefix="case-", dir=self.workFolder()))
        arguments = addArguments(findings, Path(folder).absolute(), work, reviewer, minutes)
        return self._started(arguments, onFinished=onFinished)

    def fineTune(
        self,
        folder,
        task: str = "flair",
        start: str | None = None,
        tune: str = "all",
        minutes: float = 15,
        replay: bool = True,
        leaveOneOut: bool = False,
        device: str = "auto",
        wait: bool = False,
        onEvent=lambda event: None,
        onFinished=lambda outcome: None,
    ):
        """Fine-tune a model on the cases of a folder.

        Args:
            folder: the training set.
            task: of the cases.
            start: model to start from; None takes the one in use.
            tune: ``all``, ``decoder`` or ``last``.
            minutes: time budget.
            replay: mix in cases of earlier sites.
            leaveOneOut: train once more without each patient, where too few cases are kept to check the model.
            wait: return the core's result (model, folder, gate); otherwise return the job at once.

        Raises:
            RuntimeError: it could not be done (with ``wait``); the sentence says why.
        """
        from MSLesionSegModule.filing import trainArguments

        arguments = trainArguments(
            Path(folder).absolute(), task, start, tune, minutes, replay, leaveOneOut, device
        )
        job = self._started(arguments, onEvent=onEvent, onFinished=onFinished)
        return self._jobs.result(job) if wait else job

    def poll(self) -> None:
        """Hand on what the running jobs have reported."""
        self._jobs.poll()

    def cancelSegmenting(self) -> None:
        """End the running searches without a result, as their scene goes."""
        for job in self._searches:
            self._jobs.abandon(job)
        self._searches = []

    def cleanup(self) -> None:
        """End all jobs and remove the working folder."""
        self._jobs.abandonAll()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def workFolder(self) -> Path:
        """Folder for results of this session; removed at its end."""
        if self._folder is None or not self._folder.is_dir():
            self._folder = Path(tempfile.mkdtemp(prefix="MSLesionSeg-", dir=slicer.app.temporaryPath))
        return self._folder

    def _started(self, arguments, **callbacks):
        from MSLesionSegModule.job import Job, coreEnvironment

        job = Job(arguments, environment=coreEnvironment(self.packages.antsFolder), **callbacks)
        self._jobs.add(job)
        return job


class MSLesionSegTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer: Reload and Test, or CTest."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        from MSLesionSegModule.selfTest import runPanelTest, runSelfTest

        self.setUp()
        logic = MSLesionSegLogic()
        try:
            runSelfTest(self, logic)
        finally:
            logic.cleanup()
        if slicer.util.mainWindow() is not None:
            self.setUp()
            slicer.util.selectModule("MSLesionSeg")
            runPanelTest(self, slicer.util.getModuleWidget("MSLesionSeg"))
