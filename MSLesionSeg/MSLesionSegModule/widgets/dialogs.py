"""Asking for a file, or for a name."""

import qt
import slicer


def fileToOpen(title: str, kinds: str) -> str:
    """The file that a person chose to read; empty if none. ``kinds`` is a filter as Qt writes it."""
    return _path(qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, "", kinds))


def fileToSave(title: str, name: str, kinds: str) -> str:
    """Where a person wants to save, ``name`` being proposed; empty if nowhere."""
    return _path(qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, name, kinds))


def folderToSave(title: str) -> str:
    """The folder that a person chose to save into; empty if none."""
    return qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title)


def nameToGive(title: str, question: str, proposed: str) -> str:
    """The name that a person gives, ``proposed`` being offered; empty if none."""
    window = slicer.util.mainWindow()
    answer = qt.QInputDialog.getText(window, title, question, qt.QLineEdit.Normal, proposed)
    # some versions of Qt's bindings tell separately whether the person has cancelled
    name = (answer[0] if answer[1] else "") if isinstance(answer, tuple) else answer
    return (name or "").strip()


def _path(answer) -> str:
    # some versions of Qt's bindings give the filter along with the path
    return answer[0] if isinstance(answer, tuple) else answer
