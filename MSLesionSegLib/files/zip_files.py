"""Zip files: written in one step and without dates, opened as something that nobody vouches for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from MSLesionSegLib.errors import MSLesionSegError, OutputError
from MSLesionSegLib.files.atomic import atomic_file, output_errors
from MSLesionSegLib.files.file_names import check_name_length

_NO_DATE = (1980, 1, 1, 0, 0, 0)
_BLOCK = 1 << 20
# what cannot be made smaller
_STORED = (".gz", ".safetensors")
# an archive of this program grows by a third at most when it is unpacked, and the small ones by their texts
_MOST_GROWTH, _MOST_SMALL = 4, 64 << 20
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,  # encrypted, or compressed in a way that Python lacks
)


def check_new(archive: Path) -> None:
    """Refuse a file that exists already, or whose name is too long.

    Raises:
        OutputError: it is so.
    """
    check_name_length(archive)
    if os.path.exists(archive):  # unlike Path.exists no error for a path that is too long
        raise OutputError(f"{archive} exists already. Give another name.")


def write_zip(archive: Path, contents: Iterable[tuple[str, Path | bytes]]) -> None:
    """Write a new zip file, which takes its name when it is complete.

    Args:
        archive: file to make.
        contents: name within the zip file, and a file or the bytes themselves, in this order.

    Raises:
        OutputError: the file exists, or cannot be written.
    """
    check_new(archive)
    with output_errors(archive), atomic_file(archive) as partial, zipfile.ZipFile(partial, "w") as packed:
        for name, content in contents:
            entry = zipfile.ZipInfo(name, _NO_DATE)
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(_STORED) else zipfile.ZIP_DEFLATED
            if isinstance(content, bytes):
                packed.writestr(entry, content)
                continue
            with content.open("rb") as source, packed.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, _BLOCK)


@contextlib.contextmanager
def open_zip(archive: Path, refusal: type[MSLesionSegError]) -> Iterator[zipfile.ZipFile]:
    """A zip file to read; whatever is wrong with it, also within the ``with`` block, becomes a sentence.

    Args:
        archive: the file.
        refusal: kind of the error for a file that is missing, damaged, or far larger than it looks.

    Raises:
        MSLesionSegError: of the kind ``refusal``; OutputError: what is unpacked cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            unpacked = sum(entry.file_size for entry in packed.infolist())
            if unpacked > _MOST_GROWTH * archive.stat().st_size + _MOST_SMALL:
                raise refusal(
                    f"{archive.name} is refused: it would grow to {unpacked / 1e9:.1f} GB when it is unpacked, which "
                    "no archive of MSLesionSeg does."
                )
            yield packed
    except FileNotFoundError:
        raise refusal(f"{archive} was not found. Check the name and the folder.") from None
    except _DAMAGED as error:
        raise refusal(
            f"{archive.name} is damaged or not an archive of MSLesionSeg. Copy it again."
        ) from error
    except OSError as error:
        raise OutputError(f"{archive.name} cannot be unpacked ({error.strerror or error}).") from error


def extract(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, most: int) -> str | None:
    """Write one entry into a new file; its SHA-256, or None as soon as it is larger than ``most`` bytes."""
    digest, written = hashlib.sha256(), 0
    with packed.open(entry) as source, target.open("xb") as stream:
        while block := source.read(_BLOCK):
            written += len(block)
            if written > most:
                return None
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()
