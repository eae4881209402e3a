"""PyTorch through Slicer's PyTorch extension: installing it after one question, and coming back after the restart."""

import importlib.util

import qt
import slicer
from slicer.i18n import tr as _

_REOPEN = "MSLesionSeg/ReopenAfterRestart"


def torchThere() -> bool:
    """Whether PyTorch can be imported. Imports nothing."""
    return importlib.util.find_spec("torch") is not None


def installTorch() -> bool:
    """Install PyTorch; False if Slicer must be restarted first.

    Raises:
        RuntimeError: the person said no, or the installation failed.
        subprocess.CalledProcessError: pip failed.
    """
    try:
        import PyTorchUtils
    except ImportError:
        _installExtension()
        return False
    logic = PyTorchUtils.PyTorchUtilsLogic()
    if logic.installTorch(askConfirmation=True, torchVersionRequirement=">=2.4") is None:
        raise RuntimeError(_("PyTorch was not installed."))
    return True


def reopenModule() -> None:
    """Come back to this module, once, after the restart that installing the PyTorch extension needs."""
    settings = qt.QSettings()
    if settings.value(_REOPEN):
        settings.remove(_REOPEN)
        slicer.util.selectModule("MSLesionSeg")


def _installExtension() -> None:
    """Ask once, install the extension and restart Slicer; unsaved work is saved first, or given up by a word."""
    Box = qt.QMessageBox
    text = _("The PyTorch extension of Slicer is needed. Slicer restarts when it is installed.")
    buttons = Box.Ok | Box.Cancel
    if _unsaved():
        text += " " + _("The scene has changes that are not saved. Save them before the restart?")
        buttons = Box.Save | Box.Discard | Box.Cancel
    answer = slicer.util.messageBox(text, standardButtons=buttons)
    if answer == Box.Cancel:
        raise RuntimeError(_("PyTorch was not installed."))
    manager = slicer.app.extensionsManagerModel()
    asks = manager.interactive
    manager.interactive = False  # it would ask the same again
    try:
        installed = manager.installExtensionFromServer("PyTorch", False)
    finally:
        manager.interactive = asks
    if not installed:
        raise RuntimeError(_("The PyTorch extension could not be installed. See the Extensions Manager."))
    if answer != Box.Discard and _unsaved() and not slicer.util.openSaveDataDialog():
        return
    qt.QSettings().setValue(_REOPEN, True)
    slicer.util.restart()


def _unsaved() -> bool:
    scene = slicer.mrmlScene
    return bool(scene.GetStorableNodesModifiedSinceRead() or scene.GetModifiedSinceRead())
