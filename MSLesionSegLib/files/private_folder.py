"""Temporary folders for what belongs to a patient: for this user alone, and gone also after a process was killed."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.files.lock import lock

_PREFIX, _LOCK = "mslesionseg-private-", ".in-use"


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A new temporary folder that is removed at the end; those that killed processes left are removed first."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, OutputError):
            _remove_if_left(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder, lock(Path(folder, _LOCK)):
        content = Path(folder, "content")
        content.mkdir()
        yield content


def _remove_if_left(folder: Path) -> None:
    if not (folder / _LOCK).exists():  # just being made, or removed
        return
    with lock(folder / _LOCK) as free:
        if free:
            shutil.rmtree(folder / "content", ignore_errors=True)
    if free:
        shutil.rmtree(folder, ignore_errors=True)
