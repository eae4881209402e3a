"""What the threads of a node have to tell a person, each sentence at most once a minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue

_AGAIN_AFTER_S = 60.0


class Notices:
    """Sentences of several threads for the one that prints them."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[str] = SimpleQueue()
        self._told: dict[str, float] = {}

    def tell(self, sentence: str) -> None:
        """Have a sentence printed, if it is one and was not just printed."""
        now = time.monotonic()
        if sentence and now - self._told.get(sentence, -_AGAIN_AFTER_S) >= _AGAIN_AFTER_S:
            self._told[sentence] = now
            self._waiting.put(sentence)

    def __iter__(self) -> Iterator[str]:
        """Those that wait to be printed; they are gone then."""
        while True:
            try:
                yield self._waiting.get_nowait()
            except Empty:
                return
