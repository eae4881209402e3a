"""Zip files with a manifest of hashes: written without dates, opened only if everything is as the manifest says."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from MSLesionSegLib import __version__
from MSLesionSegLib.checksums import stream_sha256
from MSLesionSegLib.errors import OutputError, SettingsError

MANIFEST = "manifest.json"
FORMAT = 1
_NO_DATE = (1980, 1, 1, 0, 0, 0)
_BLOCK = 1 << 20
_MOST_MANIFEST = 64 << 20
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
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


def pack(folder: Path, archive: Path, kind: str, facts: dict[str, Any]) -> None:
    """Write all files of a folder into a new zip file, in one step, with ``manifest.json`` as its first entry.

    Args:
        folder: whose files; hidden ones are left out.
        archive: file to make.
        kind: what it holds, so that one kind is never taken for another.
        facts: further content of the manifest.

    Raises:
        OutputError: the file exists, or cannot be written.
    """
    if archive.exists():
        raise OutputError(f"{archive} exists already. Give another name.")
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    )
    files = {}
    for name in names:
        with (folder / name).open("rb") as stream:
            files[name] = {"sha256": stream_sha256(stream), "bytes": (folder / name).stat().st_size}
    manifest = {"format": FORMAT, "kind": kind, "version": __version__, **facts, "files": files}
    partial = archive.with_name(f".{secrets.token_hex(4)}-{archive.name}")
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(partial, "w") as packed:
            packed.writestr(
                _entry(MANIFEST), json.dumps(manifest, indent=1), compress_type=zipfile.ZIP_DEFLATED
            )
            for name in names:
                entry = _entry(name)
                # what ends in .gz cannot be made smaller
                entry.compress_type = zipfile.ZIP_STORED if name.endswith(".gz") else zipfile.ZIP_DEFLATED
                with (
                    (folder / name).open("rb") as source,
                    packed.open(entry, "w", force_zip64=True) as target,
                ):
                    while block := source.read(_BLOCK):
                        target.write(block)
        os.replace(partial, archive)
    except OSError as error:
        raise OutputError(
            f"{archive} cannot be written ({error.strerror or error}). Choose another place."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def unpack(archive: Path, folder: Path, kind: str) -> dict[str, Any]:
    """Unpack a zip file of :func:`pack` into an empty folder; return its manifest.

    Nothing of the archive is trusted: names must be plain relative paths of the manifest, each file must have the
    size and the SHA-256 that stand there, and nothing else may be in it.

    Raises:
        SettingsError: it is damaged, of another kind, of a newer version, or not made by :func:`pack`.
    """
    with _sentences(archive), zipfile.ZipFile(archive) as packed:
        manifest = _manifest(packed, archive, kind)
        wanted: dict[str, Any] = manifest["files"]
        entries = {entry.filename: entry for entry in packed.infolist() if entry.filename != MANIFEST}
        if len(packed.infolist()) != len(entries) + 1 or entries.keys() != wanted.keys():
            raise SettingsError(
                f"{archive.name} is refused: it does not hold exactly the files of its manifest."
            )
        for name in wanted:
            if not _NAME.fullmatch(name) or ".." in PurePosixPath(name).parts:
                raise SettingsError(
                    f"{archive.name} is refused: one of its files would be written outside the folder."
                )
        for name, facts in wanted.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not _extract(packed, entries[name], target, int(facts["bytes"]), str(facts["sha256"])):
                raise SettingsError(
                    f"{archive.name} is refused: {name} is not what the manifest says. Copy the archive again."
                )
        return manifest


def _manifest(packed: zipfile.ZipFile, archive: Path, kind: str) -> dict[str, Any]:
    if MANIFEST not in packed.namelist() or packed.getinfo(MANIFEST).file_size > _MOST_MANIFEST:
        raise SettingsError(f"{archive.name} was not made by MSLesionSeg: it has no manifest.")
    manifest = json.loads(packed.read(MANIFEST))
    if manifest["kind"] != kind:
        raise SettingsError(f"{archive.name} holds {manifest['kind']!s:.40}, not {kind}.")
    if manifest["format"] > FORMAT:
        raise SettingsError(f"{archive.name} was made by a newer MSLesionSeg; update to use it.")
    return manifest


def _extract(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, size: int, sha256: str) -> bool:
    """Write one file; False as soon as it is larger than said, or when its hash differs."""
    digest, written = hashlib.sha256(), 0
    with packed.open(entry) as source, target.open("xb") as stream:
        while block := source.read(_BLOCK):
            written += len(block)
            if written > size:
                return False
            digest.update(block)
            stream.write(block)
    return written == size and digest.hexdigest() == sha256


@contextlib.contextmanager
def _sentences(archive: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise SettingsError(f"{archive} was not found. Check the name and the folder.") from None
    except _DAMAGED as error:
        raise SettingsError(
            f"{archive.name} is damaged or no archive of MSLesionSeg. Copy it again."
        ) from error
    except OSError as error:
        raise OutputError(f"{archive.name} cannot be unpacked ({error.strerror or error}).") from error


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, _NO_DATE)
