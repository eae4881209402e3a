"""Widgets that take no unknown attribute: what Slicer's Python would refuse must not pass in tests.

This module is read with Qt's properties as attributes, as in Slicer (see ``panel.py``).
"""

from __future__ import annotations

from PySide6.QtCore import QObject


def strict(kind: type) -> type:
    """A subclass of a widget class that refuses to set what is neither property nor attribute of it."""

    def setter(self, name, value):
        # the loader hangs the children of a form on its root
        if not name.startswith("_") and not hasattr(type(self), name) and not isinstance(value, QObject):
            raise AttributeError(f"{kind.__name__} has no attribute '{name}'")
        kind.__setattr__(self, name, value)

    return type(kind.__name__, (kind,), {"__setattr__": setter})
