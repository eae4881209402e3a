"""What is done about one study: the former one is asked for, the task is run, results are written and sent."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from MSLesionSegLib.errors import ImageError, MSLesionSegError, OutputError, PacsError
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.node.audit import AuditLine, write_audit
from MSLesionSegLib.node.child_job import CANCELLED, ChildError, run_command
from MSLesionSegLib.node.former_segmentation import fetch_segmentation
from MSLesionSegLib.node.former_study import fetch_former, has_flair
from MSLesionSegLib.node.queue import DRY_RUN, SENDING, SENT, WAITING, Finished, Queue, fingerprint, hashed
from MSLesionSegLib.node.settings import ONE_FLAIR, TWO_FLAIRS, NodeSettings
from MSLesionSegLib.pacs.archive import Archive
from MSLesionSegLib.pacs.credentials import PASSWORDS
from MSLesionSegLib.pacs.files import outgoing

_NOTE = "note.json"


class IncompleteStudy(MSLesionSegError):
    """Images of a study were refused: lesions on the others would be taken for all of them."""

    code = "incomplete"


class FormerUnderWay(MSLesionSegError):
    """Lesions cannot be called as at the former study yet."""

    code = "former"


_LATER = {PacsError.code, OutputError.code, FormerUnderWay.code, CANCELLED}  # what may go well another time


class Worker:
    """Goes on with studies of the queue, in as many threads as it is called from.

    Args:
        stop: file whose appearance cancels the jobs.
        dry_run: results are kept in the queue's folder, not sent.
    """

    def __init__(
        self, settings: NodeSettings, queue: Queue, archive: Archive, stop: Path, *, dry_run: bool
    ) -> None:
        self._settings, self._queue, self._archive = settings, queue, archive
        self._stop, self.dry_run = stop, dry_run
        threads = max((os.cpu_count() or 1) // settings.jobs, 1)
        passwords = {name: "" for name in os.environ if name.startswith(PASSWORDS)}
        self._environment = {"OMP_NUM_THREADS": str(threads), **passwords}

    def greet(self) -> str:
        """Ask whether the archive answers; what is wrong, or nothing."""
        try:
            self._archive.echo()
        except PacsError as error:
            return str(error)
        return ""

    def go_on(self, state: str, study: str) -> str:
        """Do what comes next for a study that was taken from the queue, and leave it; what went wrong, or nothing."""
        again_in_s = 0.0
        try:
            if state == WAITING:
                self._compute(study)
            if self._queue.place(SENDING, study).exists():
                self._send(study)
        except Exception as error:
            code, sentence = _told(error)
            if code not in _LATER and self._queue.place(WAITING, study).exists():
                images = len(self._queue.images(study))
                self._audit(AuditLine(study=study, outcome="failed", problem=code, images=images))
                self._queue.fail(study)
                return f"{study}: {sentence}"
            again_in_s = self._settings.retry_s
            return f"{study}: {sentence} Next try in {again_in_s:g} s."
        finally:
            self._queue.leave(study, again_in_s)
        return ""

    def _compute(self, study: str) -> None:
        """From images to results that can be sent, or to the end where there is nothing to do."""
        began = time.monotonic()
        images = self._queue.images(study)
        line = AuditLine(study=study, outcome="", images=len(images))
        before = self._queue.finished(study)
        if before is not None and before.images == fingerprint(images):
            return self._end(replace(line, outcome="repeated"), WAITING)
        if self._queue.lacks_images(study):
            raise IncompleteStudy("Images of it found no room. Make room, and send it again.")
        folder = self._queue.place(WAITING, study)
        if not has_flair(folder):
            return self._end(replace(line, outcome="no-flair"), WAITING)
        work = self._queue.work_folder(study)
        task, result = TWO_FLAIRS, self._compare(work, folder)
        if result is None:
            task, result = ONE_FLAIR, self._segment(work, ONE_FLAIR, {"flair": folder})
        dicom = Path(result["dicom"])
        line = replace(line, task=task, seconds=round(time.monotonic() - began, 1))
        if self.dry_run:
            self._audit(replace(line, outcome=DRY_RUN))
            return self._queue.to_send(study, dicom, DRY_RUN)
        note = {"images": fingerprint(images), "line": asdict(replace(line, outcome="sent"))}
        (dicom / _NOTE).write_text(json.dumps(note), encoding="utf-8")
        self._queue.to_send(study, dicom)

    def _compare(self, work: Path, folder: Path) -> dict[str, Any] | None:
        """The result against the former study; None where there is none, or the two cannot be compared."""
        former = work / "former"
        uid = fetch_former(self._archive, folder, former) if self._settings.task == TWO_FLAIRS else ""
        if not uid:
            return None
        if self._queue.is_under_way(hashed(uid)):
            raise FormerUnderWay("The results of its former study are awaited.")
        given = {"baseline": former, "followup": folder}
        known = fetch_segmentation(self._archive, former, work / "known")
        if known is not None:
            given["previous"] = known
        try:
            result = self._segment(work, TWO_FLAIRS, given)
        except ChildError as error:
            if error.code != ImageError.code:
                raise
            return None
        return result if result["counts"] is not None else None

    def _segment(self, work: Path, task: str, given: dict[str, Path]) -> dict[str, Any]:
        inputs = [part for name, path in given.items() for part in (f"--{name}", str(path))]
        output = ["--output", str(work / task), "--device", self._settings.device, "--dicom"]
        return run_command(["segment", task, *inputs, *output], work, self._stop, self._environment)

    def _send(self, study: str) -> None:
        """Send what the archive has not taken yet; each file that it takes is noted before the next one goes out."""
        refused: PacsError | None = None
        for file in self._queue.unsent(study):
            try:
                self._archive.store([file], lambda taken: taken.rename(f"{taken}{SENT}"))
            except PacsError as error:  # the other files may be welcome
                refused = error
        if refused is not None:
            raise refused
        folder = self._queue.place(SENDING, study)
        note = read_json(folder / _NOTE)
        sent = sorted(outgoing(path).uid for path in folder.glob(f"*{SENT}"))
        self._queue.finish(study, Finished(note["images"], tuple(sent)))
        self._end(replace(AuditLine(**note["line"]), files=len(sent)), SENDING)

    def _end(self, line: AuditLine, state: str) -> None:
        self._audit(line)
        self._queue.drop(state, line.study)

    def _audit(self, line: AuditLine) -> None:
        write_audit(self._settings.folder, line)


def _told(error: Exception) -> tuple[str, str]:
    """Code and sentence of what went wrong. A bug's own words may hold anything: only its place is told."""
    if isinstance(error, MSLesionSegError):
        return error.code, str(error)
    if isinstance(error, OSError):
        return OutputError.code, f"The queue cannot be written ({error.strerror})."
    traceback.print_tb(error.__traceback__, file=sys.stderr)
    return "bug", f"Internal error ({type(error).__name__})."
