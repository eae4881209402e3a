"""A process that works for this program alone, such as a command or a worker of it; Slicer's own is none."""

from __future__ import annotations

from MSLesionSegLib.jobs.memory import keep_freed_memory, search_seldom

_own = False


def take_process() -> None:
    """Say that nothing else works in this process: what would disturb others may be done in it from now on."""
    global _own
    _own = True
    keep_freed_memory()
    search_seldom()


def is_own_process() -> bool:
    """Whether this process works for this program alone."""
    return _own
