"""Forms of the panel: a file of Qt Designer for each part."""

from pathlib import Path

import qt
import slicer

_LETTERS = 58  # that stand beside each other in the panel: as wide as the review's buttons
_FOLDER = Path(__file__).parents[2] / "Resources" / "UI"


def loadForm(name: str):
    """Load ``NAME.ui`` over this scene; returns the widget, and its named children as attributes."""
    widget = slicer.util.loadUI(str(_FOLDER / f"{name}.ui"))
    widget.setMRMLScene(slicer.mrmlScene)
    return widget, slicer.util.childWidgetVariables(widget)


def anyWidth(box) -> None:
    """Let a box take the width that is there, and not ask for more for the longest of its entries."""
    box.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)


def keepWidth(panel) -> None:
    """Let the panel be as wide as its widest part, also when that is folded: nothing is cut off, nothing jumps."""
    panel.minimumWidth = _LETTERS * panel.fontMetrics().averageCharWidth()
