"""Seconds of work that may be interrupted and go on in another process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Runs from its making on.

    Args:
        before: seconds of earlier attempts, from where the caller keeps them.
    """

    def __init__(self, before: float = 0.0) -> None:
        self._spent, self._since = before, time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds until now, those of earlier attempts included."""
        return self._spent + time.perf_counter() - self._since

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Does not run while the block does."""
        self._spent = self.seconds
        try:
            yield
        finally:
            self._since = time.perf_counter()
