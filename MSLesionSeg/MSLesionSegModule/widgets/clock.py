"""The seconds that something takes, on a label."""

import time

import qt
from slicer.i18n import tr as _

_TICK_MS = 1000


class Clock:
    """Counts from its beginning on; what runs in a pause is counted too, but not shown."""

    def __init__(self, label) -> None:
        self._label = label
        self._began: float | None = None
        self._timer = qt.QTimer()
        self._timer.interval = _TICK_MS
        self._timer.timeout.connect(self._show)

    def begin(self, running: bool) -> None:
        """Count from now on, or not at all."""
        self._began = time.monotonic() if running else None
        self.go()

    def go(self) -> None:
        """Show the seconds from now on."""
        self._show()
        if self._began is None:
            self._timer.stop()
        else:
            self._timer.start()

    def pause(self) -> None:
        """Show nothing new."""
        self._timer.stop()

    def _show(self) -> None:
        seconds = None if self._began is None else round(time.monotonic() - self._began)
        self._label.text = "" if seconds is None else _("{n} s").format(n=seconds)
