"""Zip files with a manifest of hashes: written without dates, opened only if everything is as the manifest says."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from MSLesionSegLib import __version__
from MSLesionSegLib.errors import OutputError, SettingsError
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.files.foreign_json import MOST_BYTES, parse_json
from MSLesionSegLib.files.zip_files import check_new, extract, open_zip, write_zip

MANIFEST = "manifest.json"
FORMAT = 1
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


def unpack(archive: Path, folder: Path, kind: str) -> dict[str, Any]:
    """Unpack a zip file of :func:`pack` into an empty folder; return its manifest.

    Nothing of the archive is trusted: names must be plain relative paths of the manifest, each file must have the
    size and the SHA-256 that stand there, and nothing else may be in it. All of that but the SHA-256 is judged before
    anything is written.

    Raises:
        SettingsError: it is damaged, of another kind, of a newer version, or not made by :func:`pack`.
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
        _check_room(archive, folder, sum(entry.file_size for entry in entries.values()))
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


def _check_room(archive: Path, folder: Path, wanted: int) -> None:
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
