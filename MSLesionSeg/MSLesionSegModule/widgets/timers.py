"""Doing something later, or a little at a time, so that the window stays alive."""

import time
from collections.abc import Iterator

import qt

_AT_ONCE_S = 0.03


def delayed(ms: int, action):
    """A timer that calls ``action`` once when nothing has started it again for ``ms``."""
    timer = qt.QTimer()
    timer.interval = ms

    def fire() -> None:
        timer.stop()
        action()

    timer.timeout.connect(fire)
    return timer


class Steps:
    """Takes steps of an iterator between the window's events."""

    def __init__(self) -> None:
        self._steps: Iterator[None] | None = None
        self._timer = qt.QTimer()
        self._timer.interval = 0
        self._timer.timeout.connect(self._some)

    @property
    def waiting(self) -> bool:
        """Whether there are steps left."""
        return self._steps is not None

    def begin(self, steps: Iterator[None]) -> None:
        """Take these steps from now on; those of before are forgotten."""
        self._steps = steps
        self._timer.start()

    def finish(self) -> None:
        """Take what is left at once."""
        steps = self._steps
        self.stop()
        for _step in steps or ():
            pass

    def stop(self) -> None:
        """Forget what is left."""
        self._steps = None
        self._timer.stop()

    def _some(self) -> None:
        enough = time.monotonic() + _AT_ONCE_S
        while self._steps is not None and time.monotonic() < enough:
            try:
                next(self._steps)
            except StopIteration:
                self.stop()
            except BaseException:
                self.stop()
                raise
