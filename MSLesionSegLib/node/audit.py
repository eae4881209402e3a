"""A line for each study that has gone through, without anything about the patient."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from pathlib import Path

from MSLesionSegLib import __version__
from MSLesionSegLib.files.atomic import output_errors

AUDIT = "audit.tsv"


@dataclass(frozen=True, kw_only=True)
class AuditLine:
    """What became of a study.

    Attributes:
        study: its name in the queue; who knows the study's UID can tell that it is this one, and nobody else.
        outcome: ``sent``, ``dry-run``, ``repeated`` (the same images as before), ``no-flair`` or ``failed``.
        problem: code of the error that it failed with.
        task: what was looked for, ``flair`` or ``new``; empty where it did not come to that.
        images: how many files had come.
        files: how many result files the archive has taken.
        seconds: that its job took.
    """

    study: str
    outcome: str
    problem: str = ""
    task: str = ""
    images: int = 0
    files: int = 0
    seconds: float = 0.0


def write_audit(folder: Path, line: AuditLine) -> None:
    """Append a line to the audit file, which is on the disk when this returns.

    Raises:
        OutputError: it cannot be written.
    """
    file = folder / AUDIT
    columns = ["time", "version", *(field.name for field in fields(line))]
    values = [datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), __version__, *vars(line).values()]
    with output_errors(file), file.open("a", encoding="utf-8") as stream:
        if not stream.tell():
            stream.write("\t".join(columns) + "\n")
        stream.write("\t".join(str(value) for value in values) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
