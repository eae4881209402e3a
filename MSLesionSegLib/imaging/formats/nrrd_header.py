"""The text at the begin of a NRRD file, for what SimpleITK passes over in silence (teem.sourceforge.net/nrrd)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks.position import no_position
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.formats.gzip_check import check_gzip

_LONGEST = 2**24  # bytes; segmentations with hundreds of segments stay far below
_GZIP, _BZIP2 = ("gzip", "gz"), ("bzip2", "bz2")
_MILLIMETRES = {"", "mm", "none", "???"}  # or not said
_PLACED = {
    f"{space}{time}"
    for space in (
        "ras",
        "las",
        "lps",
        "right-anterior-superior",
        "left-anterior-superior",
        "left-posterior-superior",
    )
    for time in ("", "-time")
}


@dataclass(frozen=True)
class NrrdHeader:
    """Fields and key/value pairs of a NRRD file.

    Attributes:
        fields: by name in small letters without spaces, such as ``spacedirections``.
        keys: the file's own key/value pairs.
        voxel_files: names of the files with the voxels, relative to the header's; none where they follow it.
        length: bytes up to and with the empty line.
    """

    fields: dict[str, str]
    keys: dict[str, str]
    voxel_files: tuple[str, ...]
    length: int

    @property
    def layers(self) -> int:
        """Of a segmentation whose segments overlap, else 1."""
        first = self.fields.get("kinds", "").split()[:1]
        segments = any(key.startswith("Segment0_") for key in self.keys)
        return int(self.fields["sizes"].split()[0]) if segments and first in (["list"], ["vector"]) else 1


def read_header(path: Path) -> NrrdHeader:
    """Read the header only.

    Raises:
        ImageError: it is no NRRD file.
    """
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    listed: list[str] = []
    with path.open("rb") as file:
        if not file.readline(16).startswith(b"NRRD"):
            raise damaged(path.name)
        while (line := file.readline(_LONGEST)).strip() and file.tell() < _LONGEST:
            text = line.decode("utf-8", "replace").strip()
            if fields.get("datafile", "").upper().startswith("LIST"):
                listed.append(text)
                continue
            key, pair, value = text.partition(":=")
            name, field, rest = text.partition(":")
            if pair:
                keys[key] = value
            elif field and not text.startswith("#"):
                fields[name.lower().replace(" ", "")] = rest.strip()
        return NrrdHeader(fields, keys, tuple(listed or _voxel_files(fields)), file.tell())


def _voxel_files(fields: dict[str, str]) -> list[str]:
    """The name after ``data file``, or all names of a pattern such as ``slice%03d.raw 1 60 1``."""
    given = fields.get("datafile", "")
    if "%" not in given:
        return [given] if given else []
    pattern, first, last, step = given.split()[:4]
    return [pattern % number for number in range(int(first), int(last) + 1, int(step))]


def check_header(path: Path, header: NrrdHeader) -> list[InputWarning]:
    """Refuse what cannot be read or would be read wrongly; tell what is only assumed."""
    name, fields = path.name, header.fields
    if header.layers > 1:
        raise ImageError(
            f"{name} is a segmentation with {header.layers} layers (segments that overlap). Export the one segment "
            "that you want as a label map in 3D Slicer's Segmentations module, and give that file."
        )
    if fields.get("encoding", "").lower() in _BZIP2:
        raise ImageError(
            f"{name} is compressed with bzip2, which cannot be read here nor in 3D Slicer. Save it with gzip "
            "compression or without, for example with: unu save -f nrrd -e gzip"
        )
    axes = re.findall(r"\([^)]*\)|\S+", fields.get("spacedirections", fields.get("spacings", "")))
    sized = sum(any(char.isdigit() for char in axis) for axis in axes)
    if sized < min(int(fields.get("dimension", 3)), 3):  # ITK takes 1 mm for the others
        raise ImageError(
            f"{name} does not say how large its voxels are. Export the scan again with its spacing, or convert it "
            "again from the DICOM files."
        )
    units = {unit.strip('"').lower() for unit in fields.get("spaceunits", "").split()} - _MILLIMETRES
    if units:
        raise ImageError(f"{name} gives its voxel size in {min(units)[:16]}. Convert it to millimeters.")
    return [] if fields.get("space", "").lower() in _PLACED else [no_position(name, "LPS")]


def check_voxel_file(path: Path, header: NrrdHeader) -> None:
    """Look whether the voxels are there, and read compressed ones to their end."""
    files = [path.parent / name for name in header.voxel_files]
    lost = next((file for file in files if not file.exists()), None)
    if lost is not None:
        raise ImageError(
            f"{path.name} holds only the header; its voxels lie in {lost.name}, which is not there. Put all files "
            "into one folder."
        )
    if header.fields.get("encoding", "").lower() not in _GZIP or int(header.fields.get("lineskip") or 0):
        return
    for voxels in files or [path]:
        with voxels.open("rb") as file:
            file.seek(0 if files else header.length)
            check_gzip(path.name, file)


def damaged(name: str) -> ImageError:
    """Say that a file is no NRRD image."""
    return ImageError(f"{name} is not a NRRD image, or it is damaged or cut off. Copy or export it again.")
