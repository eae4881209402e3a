"""Forms of the panel: a file of Qt Designer for each part."""

from pathlib import Path

import slicer

_FOLDER = Path(__file__).parents[2] / "Resources" / "UI"


def loadForm(name: str):
    """Load ``NAME.ui`` over this scene; returns the widget, and its named children as attributes."""
    widget = slicer.util.loadUI(str(_FOLDER / f"{name}.ui"))
    widget.setMRMLScene(slicer.mrmlScene)
    return widget, slicer.util.childWidgetVariables(widget)
