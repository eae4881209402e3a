"""What DICOM studies come in: a folder, the DICOMDIR of a disc, or a zip file."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pydicom
from pydicom.uid import MediaStorageDirectoryStorage

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.files.private_folder import private_folder
from MSLesionSegLib.files.zip_archive import check_room, extract, open_zip
from MSLesionSegLib.imaging.dicom.headers import quiet, read_header

_MOST_GROWTH = 250  # an empty slice shrinks to a thousandth, a head with air around to a third
_MOST_ENTRIES = 200_000


def is_media(path: Path) -> bool:
    """Whether a path may hold DICOM studies: a folder, a zip file or a DICOMDIR."""
    return os.path.isdir(path) or (os.path.isfile(path) and (_is_zip(path) or _is_directory_file(path)))


@contextlib.contextmanager
def opened_media(path: Path) -> Iterator[Path]:
    """The folder that a path stands for; a zip file's is there only within the ``with`` block.

    Of a zip file only what its entries hold is taken: their names decide no place on the disk.

    Raises:
        ImageError: a zip file that is damaged, encrypted or grows without measure; a DICOMDIR with files missing.
        OutputError: no room for what is in a zip file.
    """
    if path.is_dir():
        yield path
    elif _is_zip(path):
        with private_folder() as folder:
            _unpack(path, folder)
            yield folder
    else:
        _check_directory_file(path)
        yield path.parent


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def _is_directory_file(path: Path) -> bool:
    if path.suffix and path.name.upper() != "DICOMDIR":
        return False
    header = read_header(path)
    return (
        header is not None and header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage
    )


def _unpack(archive: Path, folder: Path) -> None:
    kind = "a zip file of DICOM images"
    with open_zip(archive, ImageError, kind, _MOST_GROWTH) as packed:
        entries = [entry for entry in packed.infolist() if _is_wanted(entry)]
        if len(entries) > _MOST_ENTRIES:
            raise ImageError(
                f"{archive.name} is refused: it holds {len(entries)} files. Give the study's alone."
            )
        if any(entry.flag_bits & 1 for entry in entries):
            raise ImageError(f"{archive.name} is encrypted. Unpack it, and give the folder.")
        check_room(archive, folder, sum(entry.file_size for entry in entries))
        places: dict[str, Path] = {}
        for number, entry in enumerate(entries):
            inside = PurePosixPath(entry.filename.replace("\\", "/"))
            place = places.setdefault(str(inside.parent), folder / f"{len(places):05d}")
            place.mkdir(exist_ok=True)
            name = re.sub(r"[^A-Za-z0-9._-]", "_", inside.name)[-100:].lstrip(".")
            if extract(packed, entry, place / f"{number:06d}-{name}", entry.file_size) is None:
                raise ImageError(
                    f"{archive.name} is damaged: a file in it is larger than it says. Copy it again."
                )


def _is_wanted(entry: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    parts = PurePosixPath(entry.filename.replace("\\", "/")).parts
    hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in parts)
    return not entry.is_dir() and not hidden and kind in (0, stat.S_IFREG)


def _check_directory_file(path: Path) -> None:
    """Compare what a DICOMDIR lists with what is there: at an end of a stack a slice would be missing unseen."""
    with quiet():
        records = pydicom.dcmread(path).get("DirectoryRecordSequence") or []
        named = [
            record.get("ReferencedFileID")
            for record in records
            if record.get("DirectoryRecordType") == "IMAGE"
        ]
    listed = [[part] if isinstance(part, str) else list(part) for part in named if part]
    lost = [parts for parts in listed if not _is_there(path.parent, parts)]
    if lost:
        raise ImageError(
            f"{path.name} lists {len(listed)} images, of which {len(lost)} are not there. Copy the whole disc, or "
            "give the folder of one series."
        )


def _is_there(folder: Path, parts: list[str]) -> bool:
    """Copies of discs have names in capital or small letters."""
    return any(folder.joinpath(*map(change, parts)).is_file() for change in (str, str.lower, str.upper))
