"""What is done only as long as a key is held."""

import time
from collections.abc import Callable

import qt
import slicer

_TAP_S = 0.3


class HeldKey(qt.QObject):
    """Undoes an action when its key is let go; after a short tap it stays done.

    Args:
        key: of the keyboard, by its letter.
        action: what the key does; done a second time it takes itself back.
    """

    def __init__(self, key: str, action: Callable[[], None]) -> None:
        qt.QObject.__init__(self)
        self._key = ord(key)
        self._action = action
        self._since = None

    def press(self, *_args) -> None:
        """The key was pressed."""
        if self._since is None:  # a held key is pressed again and again
            self._since = time.monotonic()
            slicer.app.installEventFilter(self)
            self._action()

    def eventFilter(self, _watched, event) -> bool:
        """Notice that the key, or the window, is left; whoever else listens hears of it too."""
        kind = event.type()
        released = kind == qt.QEvent.KeyRelease and event.key() == self._key and not event.isAutoRepeat()
        if self._since is not None and (released or kind == qt.QEvent.ApplicationDeactivate):
            held = time.monotonic() - self._since
            self._since = None
            slicer.app.removeEventFilter(self)
            if held > _TAP_S:
                self._action()
        return False
