"""The studies on their way, on the disk: each is in one state, and changes it by the renaming of a folder.

::

    arriving/          what is being written now
    incoming/STUDY/    images that have come; more may follow
    waiting/STUDY/     complete studies
    work/STUDY/        what a job makes; gone when the program starts anew
    sending/STUDY/     results; a file that the archive has taken ends in .sent
    failed/STUDY/      studies that could not be used, kept for a person
    finished/STUDY     what was done about a study, without its images

STUDY and the names of series and images below it are hashes of their UIDs: no name in the queue tells a patient.
Whatever moment the program is killed at, each study is found in one of these places, and is gone on with from there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from MSLesionSegLib.files.atomic import output_errors, to_disk, write_text
from MSLesionSegLib.files.foreign_json import ForeignJsonError, read_json

ARRIVING, INCOMING, WAITING, WORK = "arriving", "incoming", "waiting", "work"
SENDING, FAILED, FINISHED, DRY_RUN = "sending", "failed", "finished", "dry-run"
SENT = ".sent"


def hashed(uid: str) -> str:
    """A name for what has a UID, the same each time.

    >>> hashed("1.2.3")
    'c47f5b18b8a430e6'
    """
    return hashlib.sha256(uid.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Finished:
    """What was done about a study: which images it had, and the SOPInstanceUIDs that the archive has taken."""

    images: str
    sent: tuple[str, ...]


class Queue:
    """The queue in a folder; one program at a time works on it, with as many threads as it likes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._not_before: dict[str, float] = {}
        self._busy: set[str] = set()
        self._refused: dict[str, set[str]] = {}  # images that had no room, by study
        with output_errors(folder):
            for state in (ARRIVING, INCOMING, WAITING, WORK, SENDING, FAILED, FINISHED, DRY_RUN):
                (folder / state).mkdir(parents=True, exist_ok=True)
            self._recover()

    def _recover(self) -> None:
        for state in (ARRIVING, WORK):
            for path in (self._folder / state).iterdir():
                path.unlink() if path.is_file() else shutil.rmtree(path)
        for study in self.studies(SENDING):  # its result was complete
            shutil.rmtree(self.place(WAITING, study), ignore_errors=True)
        self._last = dict.fromkeys(self.studies(INCOMING), time.monotonic())

    def place(self, state: str, study: str) -> Path:
        """Folder of a study in a state."""
        return self._folder / state / study

    def studies(self, state: str) -> list[str]:
        """Studies in a state, in the order of their names."""
        return sorted(path.name for path in (self._folder / state).iterdir())

    def receive(self, study: str, series: str, instance: str, content: bytes) -> None:
        """Keep an image, which is on the disk when this returns.

        Args:
            study, series, instance: their UIDs.

        Raises:
            OSError: there is no room.
        """
        arriving = self._folder / ARRIVING / secrets.token_hex(8)
        try:
            arriving.write_bytes(content)
            to_disk(arriving)
            with self._lock:
                folder = self.place(INCOMING, hashed(study)) / hashed(series)
                folder.mkdir(parents=True, exist_ok=True)
                arriving.replace(folder / f"{hashed(instance)}.dcm")
                self._last[hashed(study)] = time.monotonic()
                self._refused.get(hashed(study), set()).discard(instance)
        finally:
            arriving.unlink(missing_ok=True)

    def refuse(self, study: str, instance: str) -> None:
        """Note that an image had no room, so that what came of its study is not taken for the whole."""
        with self._lock:
            self._refused.setdefault(hashed(study), set()).add(instance)

    def lacks_images(self, study: str) -> bool:
        """Whether images of a study were refused since the program runs, and have not come again."""
        return bool(self._refused.get(study))

    def complete(self, quiet_s: float) -> None:
        """Let studies wait for their job of which nothing has come for a while.

        What comes while a study's result is made or sent stays behind until that has gone; what comes to one that
        failed brings it back.
        """
        with self._lock:
            for study in self.studies(INCOMING):
                quiet = time.monotonic() - self._last.get(study, 0.0) >= quiet_s
                if quiet and study not in self._busy and not self.place(SENDING, study).exists():
                    for before in (FAILED, WAITING):
                        _join(self.place(before, study), self.place(INCOMING, study))
                    self.place(INCOMING, study).rename(self.place(WAITING, study))
                    self._last.pop(study, None)

    def take(self, *states: str) -> tuple[str, str] | None:
        """A study to go on with, and which of the states it is in; nobody else gets it until :meth:`leave`."""
        with self._lock:
            for state in states:
                for study in self.studies(state):
                    due = time.monotonic() >= self._not_before.get(study, 0.0)
                    if due and study not in self._busy:
                        self._busy.add(study)
                        return state, study
        return None

    def leave(self, study: str, again_in_s: float = 0.0) -> None:
        """Give a study back; where it is still in the queue it is not taken for a while."""
        shutil.rmtree(self.place(WORK, study), ignore_errors=True)
        with self._lock:
            self._not_before[study] = time.monotonic() + again_in_s
            self._busy.discard(study)

    def is_under_way(self, study: str) -> bool:
        """Whether a study has come whose results are not all sent."""
        return any(self.place(state, study).exists() for state in (INCOMING, WAITING, SENDING))

    def work_folder(self, study: str) -> Path:
        """An empty folder for a study's job."""
        folder = self.place(WORK, study)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def to_send(self, study: str, results: Path, state: str = SENDING) -> None:
        """A study's results are complete: from now on they are sent, and its images are not needed any more."""
        target = self.place(state, study)
        shutil.rmtree(target, ignore_errors=True)
        results.rename(target)
        shutil.rmtree(self.place(WAITING, study))

    def unsent(self, study: str) -> list[Path]:
        """Files that the archive has not taken yet."""
        return sorted(self.place(SENDING, study).glob("*.dcm"))

    def fail(self, study: str) -> None:
        """Keep a study for a person, until more of it comes."""
        shutil.rmtree(self.place(FAILED, study), ignore_errors=True)
        self.place(WAITING, study).rename(self.place(FAILED, study))

    def drop(self, state: str, study: str) -> None:
        """A study needs nothing any more."""
        shutil.rmtree(self.place(state, study))

    def images(self, study: str) -> list[Path]:
        """Images of a waiting study."""
        return sorted(self.place(WAITING, study).rglob("*.dcm"))

    def finish(self, study: str, finished: Finished) -> None:
        """Note what was done about a study."""
        write_text(self.place(FINISHED, study), json.dumps(asdict(finished)))

    def finished(self, study: str) -> Finished | None:
        """What was done about a study before."""
        try:
            noted = read_json(self.place(FINISHED, study))
            return Finished(noted["images"], tuple(noted["sent"]))
        except (OSError, ForeignJsonError, KeyError, TypeError):
            return None

    def size(self) -> int:
        """Bytes that the queue takes."""
        total = 0
        for path in self._folder.rglob("*"):
            with contextlib.suppress(OSError):  # some go meanwhile
                total += path.stat().st_size if path.is_file() else 0
        return total


def fingerprint(images: Sequence[Path]) -> str:
    """Tells one set of images from another by their names."""
    return hashed(" ".join(sorted(image.name for image in images)))


def _join(before: Path, folder: Path) -> None:
    """Bring what is left of a study to what has come of it since; may be repeated from any point."""
    for image in before.rglob("*.dcm") if before.exists() else ():
        target = folder / image.relative_to(before)
        target.parent.mkdir(exist_ok=True)
        if target.exists():
            image.unlink()
        else:
            image.rename(target)
    shutil.rmtree(before, ignore_errors=True)
