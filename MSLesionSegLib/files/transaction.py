"""Changing a folder of files as a whole, also when the computer stops in the middle."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.files.atomic import output_errors, to_disk
from MSLesionSegLib.files.lock import lock

_LOCK = ".lock"
_OPEN, _READY = ".change-", ".ready-"
_ORDERS = "orders.json"
_WAIT_S = 60.0


@dataclass
class Transaction:
    """Files to be put into a folder and files to be taken out of it, nothing of which has happened yet.

    Attributes:
        new: a hidden folder; what is written into it later lies at the same place below the changed folder.
        last: names below the changed folder that are moved in after all others.
        removals: names below the changed folder that are deleted, in this order, before anything is moved in.
    """

    new: Path
    last: list[str] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)

    def path(self, name: str) -> Path:
        """Where to write the file that will be called ``name`` (with forward slashes); its folder is made."""
        place = self.new / PurePosixPath(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def write_json(self, name: str, content: object, *, last: bool = False) -> None:
        """Put a JSON file in; ``last``: its presence says that everything else is there."""
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        self.path(name).write_text(text, encoding="utf-8")
        if last:
            self.last.append(name)


@contextlib.contextmanager
def transaction(folder: Path) -> Iterator[Transaction]:
    """Change ``folder`` in one step: when the block ends well all of it happens, otherwise nothing.

    One process at a time. The step is the renaming of the hidden folder with everything that is new; what a
    process that was killed after it had left to do is done by the next one, before its own block begins.

    Raises:
        OutputError: the folder cannot be written, or another process has been changing it for a minute.
    """
    with output_errors(folder), lock(folder / _LOCK, _WAIT_S) as held:
        if not held:
            raise OutputError(
                f"{folder} is being changed by another program. Wait until it has finished and try again."
            )
        _clear_up(folder)
        work = folder / f"{_OPEN}{secrets.token_hex(4)}"
        try:
            change = Transaction(work / "new")
            change.new.mkdir(parents=True)
            yield change
            order = {"removals": change.removals, "last": change.last}
            (work / _ORDERS).write_text(json.dumps(order), encoding="utf-8")
            for file in work.rglob("*"):
                if file.is_file():
                    to_disk(file)
            ready = folder / f"{_READY}{work.name.removeprefix(_OPEN)}"
            work.rename(ready)
            _complete(ready, folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _clear_up(folder: Path) -> None:
    """Complete what a killed process had decided, drop what it had not."""
    for ready in sorted(folder.glob(f"{_READY}*")):
        _complete(ready, folder)
    for work in folder.glob(f"{_OPEN}*"):
        shutil.rmtree(work, ignore_errors=True)


def _complete(ready: Path, folder: Path) -> None:
    """Do what a decided change says; may be repeated from any point."""
    orders = ready / _ORDERS
    if orders.exists():  # else it was complete and only the hidden folder is left
        order = json.loads(orders.read_text(encoding="utf-8"))
        for name in order["removals"]:
            (folder / name).unlink(missing_ok=True)
            _remove_empty(folder / name, folder)
        new = ready / "new"
        files = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file())
        for name in sorted(files, key=lambda name: name in order["last"]):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).replace(folder / name)
    shutil.rmtree(ready)


def _remove_empty(path: Path, folder: Path) -> None:
    for parent in path.parents:
        if parent == folder:
            return
        with contextlib.suppress(OSError):  # holds something still, or is gone already
            parent.rmdir()
