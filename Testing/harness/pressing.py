"""What a person does at the open panel, for tests. Read with Qt's properties as attributes (see ``panel.py``)."""

from __future__ import annotations

import contextlib
from pathlib import Path

import panel as harness
import scene as scenes
import slicer
from MSLesionSegModule.sections import resultChoice
from PySide6 import QtGui


def choose_model(panel, name: str = "bright") -> None:
    """Choose a model by its name; there must be such a one."""
    combo = panel.ui.modelComboBox
    combo.currentIndex = combo.findData(name)
    assert combo.itemData(combo.currentIndex) == name


def find_lesions(panel, scan: Path):
    """Load the scan, press the button and wait for the real child process."""
    volume = scenes.loadVolume(scan)
    harness.wait(lambda: panel.ui.segmentButton.enabled)
    choose_model(panel)
    panel.ui.segmentButton.click()
    harness.wait(lambda: panel.search.row.job is None)
    assert panel.review.session is not None, panel.ui.messageLabel.text
    return volume


def open_result(panel, scan: Path, result: Path):
    """Load the scan and open the result that the command line made of it; returns the volume."""
    volume = scenes.loadVolume(scan)
    with choosing(result / "result.json"):
        panel.ui.openResultButton.click()
    choose_model(panel)
    assert panel.review.session is not None, panel.ui.messageLabel.text
    return volume


@contextlib.contextmanager
def choosing(*paths: Path):
    """Within it, a person asked for files chooses these, one after the other, and then none."""
    answers = [str(path) for path in paths]
    before = resultChoice.fileToOpen
    resultChoice.fileToOpen = lambda title, kinds: answers.pop(0) if answers else ""
    try:
        yield
    finally:
        resultChoice.fileToOpen = before


def listening(panel) -> dict[str, list]:
    """The shortcuts that listen in the panel's window, by key."""
    found: dict[str, list] = {}
    for shortcut in panel.parent.findChildren(QtGui.QShortcut):
        if shortcut.enabled:
            found.setdefault(shortcut.key.toString(), []).append(shortcut)
    return found


def press(panel, key: str) -> None:
    """Press a key, by the shortcut that carries it; Qt calls none of two that listen to the same key."""
    (shortcut,) = listening(panel).get(key, ())
    shortcut.activated.emit()


def decisions(panel) -> list[str]:
    """The decision of every row."""
    return [row.decision for row in panel.review.session.review.rows]


def save_and_load(folder: Path) -> None:
    """Save everything into one file, close the scene and load the file, as Slicer does."""
    bundle = str(folder / "patient.mrb")
    assert slicer.util.saveScene(bundle)
    scenes.clear()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert slicer.util.loadScene(bundle)


def settle(panel) -> None:
    """Let what waits for the end of an event happen."""
    harness.wait(lambda: not panel.scans._proposing.active and not panel.focus.waiting)


def choose_task(panel, task: str) -> None:
    panel.ui.taskComboBox.currentIndex = ["flair", "new", "enhancing"].index(task)
