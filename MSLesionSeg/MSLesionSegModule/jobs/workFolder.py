"""The folder for what a session's jobs read and write, patients' images among it: its owner's alone, gone afterwards.

A session holds a lock beside its folder as long as it lives: so what a killed one left is told from what is in use.
"""

import contextlib
import shutil
from pathlib import Path
from uuid import uuid4

_PREFIX = "MSLesionSeg-"
_OWNER_ONLY = 0o700


class WorkFolder:
    """The folder of this session below ``parent``."""

    def __init__(self, parent: str) -> None:
        self._parent = Path(parent)
        self._folder: Path | None = None
        self._lock = None

    def path(self) -> Path:
        """The folder, made when it is needed."""
        if self._folder is None or not self._folder.is_dir():
            self.remove()
            self._folder = self._parent / f"{_PREFIX}{uuid4().hex[:8]}"
            self._lock = _lockOf(self._folder)
            self._lock.acquire(timeout=0)
            self._folder.mkdir(_OWNER_ONLY)
        return self._folder

    def remove(self) -> None:
        """Remove the folder with all that it holds."""
        if self._folder is not None:
            _remove(self._folder, self._lock)
        self._folder = self._lock = None


def removeLeftovers(parent: str) -> None:
    """Remove the folders below ``parent`` whose sessions have ended without doing so."""
    from filelock import Timeout

    for folder in Path(parent).glob(f"{_PREFIX}*/"):
        lock = _lockOf(folder)
        with contextlib.suppress(Timeout, OSError):  # in use, or another person's
            lock.acquire(timeout=0)
            _remove(folder, lock)


def _lockOf(folder: Path):
    from filelock import FileLock

    return FileLock(folder.with_suffix(".lock"))


def _remove(folder: Path, lock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    Path(lock.lock_file).unlink(missing_ok=True)
