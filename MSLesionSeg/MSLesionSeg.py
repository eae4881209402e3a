"""Slicer module: the panel in which a radiologist finds and corrects MS lesions. Does no image arithmetic."""

import sys
from pathlib import Path

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
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


class MSLesionSeg(ScriptedLoadableModule):
    """What Slicer shows about the module. Runs at application start, so it loads nothing heavy."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("MS Lesion Segmentation")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["MSLesionSeg contributors"]
        self.parent.helpText = _(
            "Finds multiple sclerosis lesions on brain MRI, lets you correct them lesion by lesion and "
            "learns from your corrections. For research use only."
        )
        self.parent.acknowledgementText = _("Built on 3D Slicer, PyTorch and MONAI.")


@parameterNodeWrapper
class MSLesionSegParameterNode:
    """What is saved with the scene."""

    flairVolume: vtkMRMLScalarVolumeNode


class MSLesionSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/MSLesionSeg.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = MSLesionSegLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.versionLabel.setText(_("Core version {version}").format(version=self.logic.coreVersion()))
        self.initializeParameterNode()

    def cleanup(self):
        self.removeObservers()

    def enter(self):
        self.initializeParameterNode()

    def exit(self):
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        """Bind the panel to this scene's parameter node and take the first volume if none is chosen."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.flairVolume:
            volume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if volume:
                self._parameterNode.flairVolume = volume

    def setParameterNode(self, parameterNode):
        """Bind the panel to a parameter node, or to none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)


class MSLesionSegLogic(ScriptedLoadableModuleLogic):
    """Scene work without a panel."""

    def getParameterNode(self):
        return MSLesionSegParameterNode(super().getParameterNode())

    def coreVersion(self) -> str:
        """Version of the Python core that this module drives."""
        from MSLesionSegLib import __version__

        return __version__


class MSLesionSegTest(ScriptedLoadableModuleTest):
    """Runs inside Slicer."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_coreIsFound()

    def test_coreIsFound(self):
        self.assertTrue(MSLesionSegLogic().coreVersion())
