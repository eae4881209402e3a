"""Zip archives: written in one step and without dates, opened as something that nobody vouches for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from MSLesionSegLib import __version__
from MSLesionSegLib.errors import MSLesionSegError, OutputError, SettingsError
from MSLesionSegLib.files.atomic import atomic_file, output_errors
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.files.file_names import check_new
from MSLesionSegLib.files.foreign_json import MOST_BYTES, parse_json

MANIFEST = "manifest.json"
FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")

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
def open_zip(
    archive: Path,
    refusal: type[MSLesionSegError],
    kind: str = "an archive of MSLesionSeg",
    most_growth: int = _MOST_GROWTH,
) -> Iterator[zipfile.ZipFile]:
    """A zip file to read; whatever is wrong with it, also within the ``with`` block, becomes a sentence.

    Args:
        archive: the file.
        refusal: kind of the error for a file that is missing, damaged, or far larger than it looks.
        kind: what it should be.
        most_growth: how often larger than the file what is in it may be, beyond some megabytes.

    Raises:
        MSLesionSegError: of the kind ``refusal``; OutputError: what is unpacked cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            unpacked = sum(entry.file_size for entry in packed.infolist())
            if unpacked > most_growth * archive.stat().st_size + _MOST_SMALL:
                raise refusal(
                    f"{archive.name} is refused: it would grow to {unpacked / 1e9:.1f} GB when it is unpacked, as "
                    f"{kind} never does."
                )
            yield packed
    except FileNotFoundError:
        raise refusal(f"{archive} was not found. Check the name and the folder.") from None
    except _DAMAGED as error:
        raise refusal(f"{archive.name} is damaged or not {kind}. Copy it again.") from error
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


def pack_folder(folder: Path, archive: Path, kind: str, facts: dict[str, Any]) -> None:
    """Write all files of a folder into a new zip file, in one step, with ``manifest.json`` as its first entry.

    Args:
        folder: whose files; hidden ones are left out.
        archive: file to make.
        kind: what it holds, so that one kind is never taken for another.
        facts: further content of the manifest.

    Raises:
        OutputError: the file exists, or cannot be written.
    """
    check_new(archive)  # before all is hashed
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    )
    files = {
        name: {"sha256": file_sha256(folder / name), "bytes": (folder / name).stat().st_size}
        for name in names
    }
    manifest = {"format": FORMAT, "kind": kind, "version": __version__, **facts, "files": files}
    head = (MANIFEST, json.dumps(manifest, indent=1).encode())
    write_zip(archive, [head, *((name, folder / name) for name in names)])


def unpack_folder(archive: Path, folder: Path, kind: str) -> dict[str, Any]:
    """Unpack a zip file of :func:`pack_folder` into an empty folder; return its manifest.

    Nothing of the archive is trusted: names must be plain relative paths of the manifest, each file must have the
    size and the SHA-256 that stand there, and nothing else may be in it. All of that but the SHA-256 is judged before
    anything is written.

    Raises:
        SettingsError: it is damaged, of another kind, of a newer version, or not made by :func:`pack_folder`.
        OutputError: there is no room for what is in it.
    """
    with open_zip(archive, SettingsError) as packed:
        manifest = _manifest(packed, archive, kind)
        wanted: dict[str, Any] = manifest["files"]
        entries = {entry.filename: entry for entry in packed.infolist() if entry.filename != MANIFEST}
        if len(packed.infolist()) != len(entries) + 1 or entries.keys() != wanted.keys():
            raise SettingsError(
                f"{archive.name} is refused: it does not hold exactly the files of its manifest."
            )
        for name, facts in wanted.items():
            if not _NAME.fullmatch(name) or ".." in PurePosixPath(name).parts:
                raise SettingsError(
                    f"{archive.name} is refused: one of its files would be written outside the folder."
                )
            if facts["bytes"] != entries[name].file_size:
                raise _other_than_said(archive, name)
        check_room(archive, folder, sum(entry.file_size for entry in entries.values()))
        for name, facts in wanted.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if extract(packed, entries[name], target, entries[name].file_size) != facts["sha256"]:
                raise _other_than_said(archive, name)
        return manifest


def _other_than_said(archive: Path, name: str) -> SettingsError:
    return SettingsError(
        f"{archive.name} is refused: {name} is not what the manifest says. Copy the archive again."
    )


def check_room(archive: Path, folder: Path, wanted: int) -> None:
    """Make sure that an archive's ``wanted`` bytes fit on the disk of ``folder``.

    Raises:
        OutputError: they do not.
    """
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise OutputError(
            f"{archive.name} needs {wanted / 1e9:.1f} GB when it is unpacked, and {free / 1e9:.1f} GB are free on "
            "the disk for temporary files. Make room there."
        )


def _manifest(packed: zipfile.ZipFile, archive: Path, kind: str) -> dict[str, Any]:
    if MANIFEST not in packed.namelist() or packed.getinfo(MANIFEST).file_size > MOST_BYTES:
        raise SettingsError(f"{archive.name} was not made by MSLesionSeg: it has no manifest.")
    manifest = parse_json(packed.read(MANIFEST))
    if manifest["kind"] != kind:
        raise SettingsError(f"{archive.name} holds {manifest['kind']!s:.40}, not {kind}.")
    if manifest["format"] > FORMAT:
        raise SettingsError(f"{archive.name} was made by a newer MSLesionSeg; update to use it.")
    return manifest
