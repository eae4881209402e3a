"""The parts of Slicer's Python that the slicer-core wheel leaves out, for scene code: scene, logics, translation.

``start()`` must run before anything of the module is imported. Nothing here knows Qt.
"""

from __future__ import annotations

import sys
import tempfile
import types
from pathlib import Path

import crashes
import slicer

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "MSLesionSeg"


class Application:
    """What scene code asks ``slicer.app`` for where there is no window: no layout manager, no rendering."""

    applicationName = "Slicer"

    def layoutManager(self):
        return None

    def processEvents(self):
        pass

    def testingEnabled(self):
        return True

    def pauseRender(self):
        pass

    def resumeRender(self):
        pass


def start() -> None:
    """Make a scene with the logics that segments need, once in a process."""
    if getattr(slicer, "mrmlScene", None) is not None:
        return
    sys.path[:0] = [str(MODULE)]
    scene = slicer.vtkMRMLScene()
    slicer.mrmlScene = scene
    crashes.watch(scene)
    slicer.harnessKeeps = _files(scene)
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    logic.GetColorLogic().SetMRMLScene(scene)
    logic.GetColorLogic().AddDefaultColorNodes()
    modules = types.SimpleNamespace()
    kept = [logic]
    for name, kind in (
        ("Colors", "vtkSlicerColorLogic"),
        ("Volumes", "vtkSlicerVolumesLogic"),
        ("Segmentations", "vtkSlicerSegmentationsModuleLogic"),
    ):
        part = getattr(slicer, kind)()
        logic.SetModuleLogic(name, part)
        part.SetMRMLApplicationLogic(logic)
        part.SetMRMLScene(scene)
        kept.append(part)
        setattr(modules, name.lower(), types.SimpleNamespace(logic=lambda part=part: part))
    slicer.modules = modules
    slicer.app = Application()
    slicer.harnessApplicationLogic = logic
    slicer.harnessKeeps += kept  # Slicer's C++ holds no reference to them

    translation = types.ModuleType("slicer.i18n")
    translation.tr = lambda text: text
    translation.translate = lambda context, text: text
    sys.modules["slicer.i18n"] = slicer.i18n = translation


def _files(scene) -> list:
    """What a scene needs to unpack a file of its own."""
    cache, manager = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
    cache.SetRemoteCacheDirectory(tempfile.mkdtemp(prefix="slicer-tests-"))
    manager.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(manager)
    return [cache, manager]


def clear() -> None:
    """Close the scene as Slicer's File menu does."""
    slicer.mrmlScene.Clear()


def loadVolume(path: Path, name: str = ""):
    """Load a scan through Slicer's own reader."""
    scene = slicer.mrmlScene
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetName(name or path.name.split(".")[0])
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    storage.SetCenterImage(0)
    assert storage.ReadData(node), path
    scene.AddNode(node)
    node.SetAndObserveStorageNodeID(storage.GetID())
    node.CreateDefaultDisplayNodes()
    return node
