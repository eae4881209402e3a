"""DICOM files that go to an archive, and those that come from it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.uid import UID
from pynetdicom.events import Event

from MSLesionSegLib.errors import PacsError, SettingsError
from MSLesionSegLib.files.atomic import atomic_file, output_errors
from MSLesionSegLib.pacs.archive import SeriesEntry

DONE, NO_ROOM, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000  # DICOM PS3.4, B.2.3
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


class IncompleteSeries(PacsError):
    """The archive answers, but does not give all of a series: asking again is of no use."""


def is_uid(text: object) -> bool:
    """Whether a text may be a UID, and so the name of a file; zeros before its numbers are found in practice."""
    return len(str(text)) <= 64 and _UID.fullmatch(str(text)) is not None


@dataclass(frozen=True)
class Outgoing:
    """A file to send, and which object it holds in which encoding."""

    file: Path
    uid: str
    sop_class: UID
    transfer_syntax: UID

    @property
    def kind(self) -> str:
        """The object in words."""
        return self.sop_class.name.removesuffix(" Storage")


def outgoing(file: Path) -> Outgoing:
    """A DICOM file as it can be sent.

    Raises:
        SettingsError: it is none.
    """
    try:
        meta = pydicom.filereader.read_file_meta_info(file)
        return Outgoing(
            file, meta.MediaStorageSOPInstanceUID, meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID
        )
    except Exception:  # pydicom raises errors of many kinds
        raise SettingsError(f"{file} is no complete DICOM file and cannot be sent.") from None


def dicom_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The DICOM files among some files and below some folders, in order; DICOMDIRs are left out.

    Raises:
        SettingsError: a path is not there.
    """
    for path in paths:
        if not path.exists():
            raise SettingsError(f"{path} is not there.")
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and file.name != "DICOMDIR" and _is_dicom(file):
                yield file


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


@contextlib.contextmanager
def arrivals(folder: Path) -> Iterator[Callable[[Event], int]]:
    """A handler of C-STORE that keeps files in a folder as they come, while the block runs.

    Raises:
        OutputError: at the end of the block, whatever the archive said to it: a file could not be written.
    """
    failed: list[OSError] = []

    def keep(event: Event) -> int:
        uid = event.request.AffectedSOPInstanceUID
        if not is_uid(uid):
            return NOT_UNDERSTOOD
        try:
            with atomic_file(folder / f"{uid}.dcm") as partial:
                partial.write_bytes(event.encoded_dataset())
        except OSError as error:
            failed.append(error)
            return NO_ROOM
        return DONE

    try:
        yield keep
    except PacsError:
        if not failed:
            raise
    if failed:
        with output_errors(folder):
            raise failed[0]


def check_received(folder: Path, series: SeriesEntry, archive: str) -> int:
    """How many files of a series have come.

    Raises:
        IncompleteSeries: none, or fewer than the archive has.
    """
    count = sum(1 for _ in folder.glob("*.dcm"))
    wanted = int(series.instances) if series.instances.isdecimal() else 1
    if count < max(wanted, 1):
        raise IncompleteSeries(f"Of {max(wanted, 1)} files of a series '{archive}' gave {count}.")
    return count
