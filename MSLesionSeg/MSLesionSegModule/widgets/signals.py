"""Signals of what is no widget."""

from collections.abc import Callable


class Signal:
    """Tells everybody who has connected to it, in that order, as Qt's signals do."""

    def __init__(self) -> None:
        self._slots: list[Callable] = []

    def connect(self, slot: Callable) -> None:
        self._slots.append(slot)

    def emit(self, *values) -> None:
        for slot in self._slots:
            slot(*values)
