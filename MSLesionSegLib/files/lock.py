"""A lock that one process holds at a time, and that the system frees when the process dies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from MSLesionSegLib.files.atomic import output_errors


@contextlib.contextmanager
def lock(file: Path, wait_s: float = 0.0) -> Iterator[bool]:
    """Hold a lock while the block runs; whether it could be taken within ``wait_s`` seconds.

    Args:
        file: is the lock; made where it is missing, with its folder, and left there.
        wait_s: how long another process may still hold it.

    Raises:
        OutputError: its folder cannot be written.
    """
    from filelock import FileLock, Timeout

    held = FileLock(file, timeout=wait_s)
    with output_errors(file.parent), contextlib.suppress(Timeout):
        file.parent.mkdir(parents=True, exist_ok=True)
        held.acquire()
    try:
        yield held.is_locked
    finally:
        held.release()
