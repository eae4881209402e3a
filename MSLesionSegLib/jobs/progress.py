"""How long work tells what it is doing, and how it learns that it should stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Progress(Protocol):
    """Receiver of progress. Every method may raise :class:`~MSLesionSegLib.errors.Cancelled`."""

    def stage(self, name: str, fraction: float = 0.0) -> None:
        """Say that stage ``name`` is ``fraction`` (0 to 1) done."""

    def expect(self, seconds: Mapping[str, float]) -> None:
        """Say how long stages that are still to come will take, as measured here, in their order."""

    def metric(self, name: str, value: float, **context: Any) -> None:
        """Report a measured number, such as a validation score."""

    def warning(self, code: str, sentence: str) -> None:
        """Tell the person something that does not stop the work."""


class Silent:
    """A :class:`Progress` that keeps quiet."""

    def stage(self, name: str, fraction: float = 0.0) -> None:
        pass

    def expect(self, seconds: Mapping[str, float]) -> None:
        pass

    def metric(self, name: str, value: float, **context: Any) -> None:
        pass

    def warning(self, code: str, sentence: str) -> None:
        pass
