"""Slicer's Python around a panel, over PySide6 offscreen: qt, ctk, loadUI, parameter nodes, module classes.

``start()`` comes before the module is imported. The module is read with Qt's properties as attributes
(``widget.enabled = False``), as PythonQt has them in Slicer.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import os
import sys
import tempfile
import types
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import layout
import module_classes
import sample_data
import scene
import slicer
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

MODULE = "MSLesionSeg"
_PROPERTIES = 2  # __feature__: properties as attributes
_kept: list = []


class Application(scene.Application):
    """``slicer.app`` with an event loop."""

    def __init__(self):
        self.temporaryPath = tempfile.mkdtemp(prefix="slicer-tests-")
        self.slicerUserSettingsFilePath = os.path.join(self.temporaryPath, "Slicer.ini")
        self.connected: list[tuple[str, object]] = []

    def layoutManager(self):
        return layout.manager()

    def processEvents(self):
        QtWidgets.QApplication.processEvents()

    def clipboard(self):
        return QtWidgets.QApplication.clipboard()

    def installEventFilter(self, listener):
        QtWidgets.QApplication.instance().installEventFilter(listener)

    def removeEventFilter(self, listener):
        QtWidgets.QApplication.instance().removeEventFilter(listener)

    def connect(self, signal, slot):
        self.connected.append((signal, slot))


def start() -> None:
    """Put Slicer's Python together, once in a process."""
    scene.start()
    if "qt" in sys.modules:
        return
    _keepNone()
    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    _kept.append(application)
    # the .ui file hands the scene on by a signal of C++ type; the stand-in root does it itself
    QtCore.QLoggingCategory.setFilterRules("qt.core.qobject.connect=false")
    font = application.font()
    font.setPointSize(9)
    application.setFont(font)
    slicer.app = Application()
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
    QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, slicer.app.temporaryPath)
    application.setOrganizationName("MSLesionSegTests")

    files = (scene.MODULE / "MSLesionSegModule").rglob("*.py")
    names = [".".join(file.relative_to(scene.MODULE).with_suffix("").parts) for file in files]
    feature = importlib.import_module("__feature__")  # comes with PySide6
    for name in (MODULE, "strict", "connectors", "pressing", *names):
        feature.set_selection(_PROPERTIES, name)
    sys.modules["qt"] = _qt()
    sys.modules["ctk"] = _ctk()
    _util()
    _packaging()
    if os.environ.get("SLICER_PYTHON_DIR"):
        _slicersOwn(Path(os.environ["SLICER_PYTHON_DIR"]))
    else:
        module_classes.provide()
    sample_data.provide()


def _keepNone() -> None:
    """PySide6 6.12 gives one reference to None too many away at every call; Python before 3.12 ends at the last."""
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


def stockWidgets() -> dict[str, type]:
    """The strict Qt widgets by name, the same classes for code and for the loader."""
    from strict import strict

    names = (
        "Label PushButton ToolButton ComboBox CheckBox SpinBox DoubleSpinBox LineEdit ProgressBar PlainTextEdit"
        " TableWidget Widget"
    )
    return {f"Q{name}": _named(strict(getattr(QtWidgets, f"Q{name}"))) for name in names.split()}


def customWidgets() -> dict[str, type]:
    import ctk_widgets
    import qmrml_widgets
    from strict import strict

    kinds = {**vars(qmrml_widgets), **vars(ctk_widgets)}
    return {n: _named(strict(kind)) for n, kind in kinds.items() if n.startswith(("qMRML", "ctk"))}


def _named(kind: type) -> type:
    kind.name = property(lambda self: QtCore.QObject.objectName(self))
    return kind


class Loader(QtUiTools.QUiLoader):
    """Loads a .ui file with the strict and the stand-in widgets."""

    def __init__(self):
        super().__init__()
        self._kinds = {**stock, **custom}

    def createWidget(self, kind, parent=None, name=""):
        if kind not in self._kinds:
            raise KeyError(f"the panel uses {kind}, for which there is no stand-in")
        widget = self._kinds[kind](parent)
        QtCore.QObject.setObjectName(widget, name)
        _kept.append(widget)
        return widget


stock: dict[str, type] = {}
custom: dict[str, type] = {}


def _qt() -> types.ModuleType:
    qt = types.ModuleType("qt")
    for part in (QtCore, QtGui, QtWidgets):
        for name in dir(part):
            if name.startswith("Q"):
                setattr(qt, name, getattr(part, name))
    stock.update(stockWidgets())
    for name, kind in stock.items():
        setattr(qt, name, kind)
    return qt


def _ctk() -> types.ModuleType:
    ctk = types.ModuleType("ctk")
    custom.update(customWidgets())
    for name, kind in custom.items():
        setattr(ctk if name.startswith("ctk") else slicer, name, kind)
    return ctk


def _util() -> None:
    def loadUI(path):
        file = QtCore.QFile(str(path))
        file.open(QtCore.QFile.ReadOnly)
        return Loader().load(file)

    def childWidgetVariables(widget):
        found = types.SimpleNamespace()
        for child in widget.findChildren(QtWidgets.QWidget):
            if getattr(child, "name", ""):
                setattr(found, child.name, child)
        return found

    answers: list[bool | QtWidgets.QMessageBox.StandardButton] = []
    slicer.harnessAnswers = answers
    slicer.harnessErrors = []

    def confirm(text, *args, **kwargs):
        return answers.pop(0) if answers else True

    def loadVolume(path):
        try:
            return scene.loadVolume(Path(path))
        except AssertionError:
            raise RuntimeError(f"{path} cannot be read") from None

    def messageBox(text, standardButtons=QtWidgets.QMessageBox.Ok, **kwargs):
        return answers.pop(0) if answers else QtWidgets.QMessageBox.Ok

    slicer.util.loadUI = loadUI
    slicer.util.messageBox = messageBox
    slicer.util.childWidgetVariables = childWidgetVariables
    slicer.util.mainWindow = lambda: None
    slicer.util.confirmYesNoDisplay = slicer.util.confirmOkCancelDisplay = confirm
    slicer.util.errorDisplay = lambda text, **kwargs: slicer.harnessErrors.append(text)
    slicer.util.WaitCursor = contextlib.nullcontext
    slicer.util.loadVolume = loadVolume
    slicer.util.saveScene = lambda path: slicer.mrmlScene.WriteToMRB(path)
    slicer.util.loadScene = lambda path: slicer.mrmlScene.ReadFromMRB(path, False)
    slicer.util.infoDisplay = lambda text, **kwargs: None


def _packaging() -> None:
    from packaging.requirements import Requirement

    packaging = types.ModuleType("slicer.packaging")

    def load_requirements(path):
        lines = Path(path).read_text().splitlines()
        return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]

    def pip_check(requirement):
        try:
            return requirement.specifier.contains(
                importlib.metadata.version(requirement.name), prereleases=True
            )
        except importlib.metadata.PackageNotFoundError:
            return False

    packaging.load_requirements = load_requirements
    packaging.pip_check = pip_check
    packaging.installed = []
    packaging.pip_ensure = lambda requirements, **kwargs: packaging.installed.extend(requirements)
    packaging.pip_install = lambda requirements, **kwargs: packaging.installed.append(requirements)
    sys.modules["slicer.packaging"] = packaging  # as in Slicer no attribute before somebody imports it


def _slicersOwn(folder: Path) -> None:
    """Take Slicer's own parameter nodes and module classes (Base/Python/slicer of its source), to notice drift."""
    known = (
        "CheckBox CheckablePushButton ColorPickerButton ComboBox DoubleRangeSlider DoubleSlider DoubleSpinBox"
    )
    for name in (*known.split(), "PathLineEdit", "RangeWidget"):
        setattr(sys.modules["ctk"], f"ctk{name}", type(f"ctk{name}", (), {}))
    for name in ("qMRMLRangeWidget", "qMRMLSliderWidget", "qMRMLSpinBox", "qMRMLCheckableNodeComboBox"):
        setattr(slicer, name, type(name, (), {}))
    slicer.util.settingsValue = lambda key, default, converter=None, settings=None: default
    slicer.util.modulePath = lambda name: str(scene.MODULE / f"{name}.py")
    slicer.app.moduleManager = lambda: slicer.app
    slicer.__path__.append(str(folder))
    feature = importlib.import_module("__feature__")
    for name in (
        "parameterNodeWrapper.guiConnectors",
        "parameterNodeWrapper.wrapper",
        "ScriptedLoadableModule",
    ):
        feature.set_selection(_PROPERTIES, f"slicer.{name}")
    for name in ("parameterNodeWrapper", "ScriptedLoadableModule"):
        setattr(slicer, name, importlib.import_module(f"slicer.{name}"))


def openPanel():
    """A new panel over the current scene, entered as when a person chooses the module."""
    import MSLesionSeg

    parent = custom["qMRMLWidget"]()
    QtWidgets.QWidget.setLayout(parent, QtWidgets.QVBoxLayout())
    parent.isEntered = True
    _kept.append(parent)
    panel = MSLesionSeg.MSLesionSegWidget(parent)
    panel.setup()
    panel.enter()
    diskRead(panel)
    return panel


def diskRead(panel) -> None:
    """Wait until the panel has read what lies on the disk now."""
    stores = (panel.modelStore, panel.trainingSet)
    for store in stores:
        store.look()
    wait(lambda: not any(store._background.reading for store in stores))


def closePanel(panel) -> None:
    panel.exit()
    panel.parent.isEntered = False
    panel.cleanup()
    for choice in panel.parent.findChildren(custom["qMRMLNodeComboBox"]):
        choice.setMRMLScene(None)  # what is kept of a closed panel follows no scene


def wait(condition, seconds: float = 240.0) -> None:
    """Run the event loop until ``condition()`` holds."""
    import time

    end = time.monotonic() + seconds
    while not condition():
        QtWidgets.QApplication.processEvents(QtCore.QEventLoop.AllEvents, 50)
        time.sleep(0.01)
        assert time.monotonic() < end, "the panel did not get there in time"


def picture(panel, path: Path, width: int = 470) -> None:
    """Save what the panel looks like, as high as its content."""
    widget = panel.parent
    widget.resize(width, 100)
    widget.show()
    QtWidgets.QApplication.processEvents()
    for _ in range(2):  # parts that were folded ask for less room only once they are laid out
        widget.resize(width, max(widget.layout().heightForWidth(width), widget.sizeHint().height()))
        QtWidgets.QApplication.processEvents()
    texts = [text for text in widget.findChildren(QtWidgets.QLabel) if text.isVisible()]
    last = max(text.mapTo(widget, text.rect().bottomLeft()).y() for text in texts)
    widget.grab(QtCore.QRect(0, 0, width, last + 12)).save(str(path))
