"""How a part of the panel speaks to the person."""

from typing import Protocol


class Say(Protocol):
    """Shows a sentence, where it is seen; an error that has details also in a box."""

    def __call__(self, sentence: str, error: bool = False, details: str = "") -> None: ...
