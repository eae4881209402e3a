"""Asking for a file."""

import qt
import slicer


def fileToOpen(title: str, kinds: str) -> str:
    """The file that a person chose to read; empty if none. ``kinds`` is a filter as Qt writes it."""
    return _path(qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), title, "", kinds))


def fileToSave(title: str, name: str, kinds: str) -> str:
    """Where a person wants to save, ``name`` being proposed; empty if nowhere."""
    return _path(qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, name, kinds))


def _path(answer) -> str:
    # some versions of Qt's bindings give the filter along with the path
    return answer[0] if isinstance(answer, tuple) else answer
