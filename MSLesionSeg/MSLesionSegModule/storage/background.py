"""What takes long, such as reading from a disk that is far away, while the window stays alive."""

import threading
from collections.abc import Callable
from typing import Any

import qt
import slicer

_LOOK_MS = 10
_GIVEN_S = 0.005


class Background:
    """Reads in a thread, and hands on what was asked for last.

    Slicer's window keeps Python to itself while it waits for events, so the timer gives the thread its turns.

    Args:
        onRead: called, in the window's thread, with what was read; never with what was asked for before that.
    """

    def __init__(self, onRead: Callable[[Any], None]) -> None:
        self._onRead = onRead
        self._newest: _Reading | None = None
        self._timer = qt.QTimer()
        self._timer.interval = _LOOK_MS
        self._timer.timeout.connect(self._look)

    @property
    def reading(self) -> bool:
        """Whether something was asked for that has not arrived."""
        return self._newest is not None

    def ask(self, read: Callable[[], Any]) -> None:
        """Let a thread call ``read``, which touches neither the window nor the scene."""
        self._newest = _Reading(read)
        self._newest.start()
        self._timer.start()

    def stop(self) -> None:
        """Forget what was asked for."""
        self._newest = None
        self._timer.stop()

    def _look(self) -> None:
        reading = self._newest
        if reading is not None and reading.ended.wait(_GIVEN_S):
            self.stop()
            if reading.error is not None:
                raise reading.error
            self._onRead(reading.found)


def waitFor(work: Callable[[], Any]) -> Any:
    """What ``work`` returns or raises; a thread does it, which touches neither the window nor the scene."""
    thread = _Reading(work)
    thread.start()
    while not thread.ended.wait(_GIVEN_S):
        slicer.app.processEvents()
    if thread.error is not None:
        raise thread.error
    return thread.found


class _Reading(threading.Thread):
    """One of them. A folder that never answers must not keep Slicer from ending: a daemon."""

    def __init__(self, read: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._read = read
        self.ended = threading.Event()
        self.found: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.found = self._read()
        except BaseException as error:
            self.error = error
        self.ended.set()
