"""Widgets bound to parameters, with Qt's properties as attributes (see ``panel.py``)."""

from __future__ import annotations

import enum

import vtk


class Connector:
    """One widget: ``read``, ``write`` and the signal that tells of a change."""

    def __init__(self, widget, signal, read, write):
        self.read, self.write = read, write
        self._signal = getattr(widget, signal)
        self._callback = None

    def onChanged(self, callback) -> None:
        self._callback = callback
        self._signal.connect(callback)

    def disconnect(self) -> None:
        if self._callback is not None:
            self._signal.disconnect(self._callback)


def connect(widget, base: type, bounds) -> Connector:
    """The connector of a widget for a type; TypeError for a pair that Slicer does not bind."""
    kind = type(widget).__name__
    if base is bool and kind == "QCheckBox":
        return Connector(
            widget, "stateChanged", lambda: widget.checked, lambda v: setattr(widget, "checked", v)
        )
    if (base is int and kind == "QSpinBox") or (base is float and kind == "ctkSliderWidget"):
        if bounds is None:
            raise TypeError(f"{widget.name} needs bounds")
        widget.minimum, widget.maximum = bounds.minimum, bounds.maximum
        return Connector(
            widget, "valueChanged", lambda: base(widget.value), lambda v: setattr(widget, "value", v)
        )
    if issubclass(base, enum.Enum) and kind == "QComboBox":
        members = list(base)
        widget.clear()
        for member in members:
            widget.addItem(member.label())

        def show(value):
            widget.currentIndex = members.index(value)

        return Connector(widget, "currentIndexChanged", lambda: members[widget.currentIndex], show)
    if issubclass(base, vtk.vtkObject) and kind == "qMRMLNodeComboBox":
        return Connector(widget, "currentNodeChanged", widget.currentNode, widget.setCurrentNode)
    raise TypeError(f"Slicer binds no {base.__name__} to a {kind}")
