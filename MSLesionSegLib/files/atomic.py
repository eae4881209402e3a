"""Files and folders that take their name when they are complete: whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from MSLesionSegLib.errors import Cancelled, OutputError
from MSLesionSegLib.files.file_names import check_name_length

_STALE_AFTER_S = 24 * 3600.0


@contextlib.contextmanager
def output_errors(path: Path, way_out: str = "Choose another place.") -> Iterator[None]:
    """Turn what the system says while ``path`` is written into a sentence.

    Args:
        path: the file or folder to make.
        way_out: what a person can do where nothing can be written.

    Raises:
        OutputError: for any OSError of the block.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(_sentence(error, path, way_out)) from error


def _sentence(error: OSError, path: Path, way_out: str) -> str:
    if error.errno is None and isinstance(
        error.__cause__, OSError
    ):  # pydicom wraps it, with its whole traceback
        error = error.__cause__
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"The disk has no room for {path}. Free some space or choose another disk."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"You are not allowed to write {path}. {way_out}"
    if error.errno == errno.ENAMETOOLONG:
        return f"The path {str(path)[:60]}... is too long. Choose a place in fewer folders."
    return f"{path} cannot be written ({error.strerror or error}). {way_out}"


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8 in one step; its folder is made.

    Raises:
        OutputError: it cannot be written.
    """
    with output_errors(path), atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A hidden file beside ``path`` to write: it takes the name ``path`` when the block ends well.

    It has the same ending. The folder of ``path`` is made; a file of that name is replaced. When the block fails
    nothing is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(folder: Path, check: Callable[[], object] = lambda: None) -> Iterator[Path]:
    """A hidden folder beside ``folder`` to fill: it takes the name ``folder`` when the block ends well.

    When the block fails nothing is left. A folder that is there already is replaced, in one step where the system can
    (Linux, macOS); elsewhere in two, and :func:`recover` finds the old one should the computer stop in between.
    Signals wait until this is done.

    Args:
        folder: to be made, and those that it lies in.
        check: called just before the name is taken; what it raises keeps things as they were.

    Raises:
        OutputError: the name is too long.
    """
    check_name_length(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = hidden_beside(folder)
    work.mkdir()
    try:
        yield work
        with _undisturbed():
            check()
            _publish(work, folder)
    finally:
        with _undisturbed():
            shutil.rmtree(work, ignore_errors=True)


def hidden_beside(folder: Path) -> Path:
    """A free name beside ``folder`` for what is not finished yet."""
    return folder.with_name(f".{folder.name}.unfinished-{secrets.token_hex(4)}")


def recover(folder: Path) -> None:
    """Undo what was half replaced when the computer stopped, and clear what a killed process left.

    Unfinished folders of the last day stay: they may belong to a process that is still going.
    """
    aside = _aside(folder)
    if aside.exists() and not folder.exists():
        aside.rename(folder)
    name = re.sub(r"([*?[])", r"[\1]", folder.name)
    for path in folder.parent.glob(f".{name}.unfinished-*"):
        if time.time() - path.stat().st_mtime > _STALE_AFTER_S:
            shutil.rmtree(path, ignore_errors=True)


def to_disk(file: Path) -> None:
    """Ask the system to write a file to the disk now."""
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())


def _publish(work: Path, folder: Path) -> None:
    try:
        work.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        _replace(work, folder)


def _replace(new: Path, old: Path) -> None:
    if _exchange(new, old):
        return  # `new` now names the old folder; the caller removes it
    aside = _aside(old)
    shutil.rmtree(aside, ignore_errors=True)
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step of the file system; False where that does not exist."""
    function, swap = {"linux": ("renameat2", 2), "darwin": ("renameatx_np", 2)}.get(sys.platform, ("", 0))
    if not function:
        return False
    current_folder = -100 if sys.platform == "linux" else -2
    try:
        call = getattr(ctypes.CDLL(None, use_errno=True), function)
    except (OSError, AttributeError):
        return False
    return call(current_folder, os.fsencode(one), current_folder, os.fsencode(other), swap) == 0


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off Ctrl-C and SIGTERM to the end of the block. A job that is stopped there ends with its result."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []
    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda number, frame: asked.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for late in asked:
        with contextlib.suppress(Cancelled):
            signal.raise_signal(late)
