"""The one image series in a folder: found, checked and read."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.imaging.checks import scan_checks
from MSLesionSegLib.imaging.dicom.frames import Frame, frame_value, frames_of
from MSLesionSegLib.imaging.dicom.headers import (
    ANY_CLASS,
    MR_CLASS,
    PREAMBLE,
    Copies,
    begin_of,
    parse,
    quiet,
    read_header,
)
from MSLesionSegLib.imaging.dicom.pixels import stored_pixels
from MSLesionSegLib.imaging.dicom.stack import stack
from MSLesionSegLib.imaging.formats.stored import StoredVolume

_DATES = ("AcquisitionDate", "StudyDate")


@dataclass(frozen=True, eq=False)
class _Series:
    """The files of one image series with their headers, in the order of their names."""

    headers: dict[Path, pydicom.Dataset]

    @property
    def modalities(self) -> set[str]:
        return {str(header.get("Modality", "")) for header in self.headers.values()}

    @property
    def first(self) -> pydicom.Dataset:
        return next(iter(self.headers.values()))


def open_dicom(folder: Path) -> StoredVolume:
    """Open the one image series that lies directly in a folder.

    Frames of multi-frame files and files of single slices are treated alike: each brings its own place, orientation,
    pixel size and rescale slope and intercept. The voxels come as they are stored where all share one scaling, else
    as float32 with each frame's scaling applied. The hash covers the bytes of the series' files, independent of
    their names.

    Raises:
        ImageError: no or several series, not MR, several volumes in one series, slices that are missing or do not
            lie on one even grid, a damaged file.
    """
    name = folder.name or str(folder)
    with quiet():
        series = _the_one_series(folder, name)
        _check_kind(series, name)
        try:
            found = [frame for file, header in series.headers.items() for frame in frames_of(file, header)]
        except Exception:
            raise _damaged(name) from None
        frames, affine = stack(name, found)
        columns, rows = frames[0].size
        scan_checks.check_shape(name, (columns, rows, len(frames)))
        scan_checks.check_affine(name, affine)
        stored, scaling, sha256 = read_voxels(name, frames)
    files = tuple(file.resolve() for file in series.headers)
    place = frames[0].origin[1]
    return StoredVolume(stored, *scaling, affine, None, sha256, dicom_files=files, frame_of_reference=place)


def series_sha256(files: Iterable[Path]) -> str:
    """SHA-256 of the bytes of a series' files, independent of their names, as :func:`open_dicom` gives it."""
    return _together(map(file_sha256, files))


def _together(digests: Iterable[str]) -> str:
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def series_files(folder: Path) -> tuple[Path, ...]:
    """The files of the one series in a folder, in the order of their names.

    Raises:
        ImageError: no or several series.
    """
    with quiet():
        return tuple(_the_one_series(folder, folder.name or str(folder)).headers)


def series_uid(files: Sequence[Path]) -> str:
    """What a DICOM series is known by everywhere."""
    with quiet():
        return str(
            pydicom.dcmread(files[0], specific_tags=["SeriesInstanceUID"]).get("SeriesInstanceUID", "")
        )


def series_values(folder: Path, keywords: tuple[str, ...]) -> list[str]:
    """Values of some attributes (DICOM keywords) in the first file of the one series in a folder; empty where absent.

    Raises:
        ImageError: no or several series.
    """
    with quiet():
        first = _the_one_series(folder, folder.name or str(folder)).first
        values = []
        for keyword in keywords:
            try:
                value = frame_value(first, 0, keyword)
            except Exception:  # a value that the standard does not allow
                value = None
            values.append("" if value is None else str(value).strip())
    return values


def acquisition_date(path: Path) -> str | None:
    """Day of a DICOM series as YYYYMMDD, for comparing two scans; None for other files and where none is given.

    The date belongs to the patient's data: it must not be written into a result.
    """
    if not path.is_dir():
        return None
    dates = series_values(path, _DATES)
    return next((date for date in dates if len(date) == 8 and date.isdecimal()), None)


def _the_one_series(folder: Path, name: str) -> _Series:
    found: dict[str, dict[Path, pydicom.Dataset]] = {}
    remains, copies = [], Copies()
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        header = read_header(path)
        # Reports and presentation states are DICOM too, but have no rows of pixels.
        if header is not None and header.get("Rows") and header.get("Columns"):
            if not copies.has(path, str(header.get("SOPInstanceUID", ""))):
                found.setdefault(str(header.get("SeriesInstanceUID", "")), {})[path] = header
        else:
            remains.append(path)
    if not found:
        raise ImageError(
            f"The folder {name} holds no DICOM images. Give the folder in which the files of one series lie, "
            "or a NIfTI, NRRD or FreeSurfer file."
        )
    series = [_Series(headers) for headers in found.values()]
    if len(series) > 1:
        raise ImageError(
            f"The folder {name} holds {len(series)} image series: {', '.join(map(_title, series))}. Put the files of "
            "the one that you want into a folder of their own."
        )
    _check_remains(remains, series[0], name)
    return series[0]


def _check_kind(series: _Series, name: str) -> None:
    foreign = sorted(series.modalities - {"", "MR"})
    if foreign:
        raise ImageError(
            f"The folder {name} holds images of modality {foreign[0][:16]}, not MR. Give the MR scan."
        )
    for header in series.headers.values():
        if int(header.get("SamplesPerPixel") or 1) > 1:
            raise scan_checks.several_values(name)
        if "MOSAIC" in (header.get("ImageType") or ()):
            raise ImageError(
                f"The folder {name} holds mosaics: all slices in one picture. Convert them, for example with "
                "dcm2niix, and give that file."
            )


def _title(series: _Series) -> str:
    """Number, modality and size: a series' description is free text and may name the patient."""
    number = str(series.first.get("SeriesNumber", ""))
    shown = f"number {number}" if number.isdecimal() else "without number"
    modality = str(series.first.get("Modality", ""))[:16] or "unknown modality"
    return f"{shown} ({modality}, {len(series.headers)} files)"


def read_voxels(name: str, frames: list[Frame]) -> tuple[np.ndarray, tuple[float, float], str]:
    """Voxels (columns, rows, frames), the scaling that is left to apply, and the hash of the files."""
    pixels, digests = {}, []
    for file in {frame.file: None for frame in frames}:
        content = file.read_bytes()
        digests.append(hashlib.sha256(content).hexdigest())
        try:
            pixels[file] = stored_pixels(parse(io.BytesIO(content)))
            slices = {frame.index: pixels[file][frame.index] for frame in frames if frame.file == file}
        except Exception:
            raise _damaged(name) from None
        if len(slices) != len(pixels[file]):
            raise _damaged(name)
    sha256 = _together(digests)
    planes = [pixels[frame.file][frame.index].T for frame in frames]
    scalings = {frame.scaling for frame in frames}
    if len(scalings) == 1:
        return np.stack(planes, axis=-1), scalings.pop(), sha256
    scaled = [
        (plane * frame.scaling[0] + frame.scaling[1]).astype(np.float32)
        for plane, frame in zip(planes, frames, strict=True)
    ]
    return np.stack(scaled, axis=-1), (1.0, 0.0), sha256


def _check_remains(remains: list[Path], series: _Series, name: str) -> None:
    """Refuse what is left of a slice: at an end of the stack it would be missing unseen."""
    patterns = {_name_pattern(path.name) for path in series.headers}
    for path in remains:
        alike = _name_pattern(path.name) in patterns
        try:
            begin = begin_of(path)
        except OSError as error:
            if not alike:
                continue
            raise ImageError(
                f"A file in the folder {name} cannot be opened ({error.strerror}). Check that you may read them all."
            ) from None
        if MR_CLASS.search(begin):
            raise _damaged(name)
        if ANY_CLASS.search(begin):
            continue  # a report, a spectrum or a list of files
        empty = len(begin) < PREAMBLE + 4 and not begin.strip(b"\0") and not path.suffix[1:].isalpha()
        if alike or empty or begin[PREAMBLE : PREAMBLE + 4] == b"DICM":
            raise _damaged(name)


def _name_pattern(name: str) -> str:
    """A file's ending if it has one in letters, else its name without digits: what a series' files have in common."""
    ending = Path(name).suffix.lower()
    return ending if ending[1:].isalpha() else re.sub(r"\d+", "", name.lower())


def _damaged(name: str) -> ImageError:
    return ImageError(
        f"The folder {name} holds a DICOM file that is damaged or does not fit the others. Export the series again."
    )
