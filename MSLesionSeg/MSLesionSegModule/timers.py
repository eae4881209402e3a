"""Doing something once, when the events that ask for it have ended."""

import qt


def delayed(ms: int, action):
    """A timer that calls ``action`` once when nothing has started it again for ``ms``."""
    timer = qt.QTimer()
    timer.interval = ms

    def fire() -> None:
        timer.stop()
        action()

    timer.timeout.connect(fire)
    return timer
