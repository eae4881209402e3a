"""A folder with one DICOM series, as it comes from the scanner or the archive."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging import checks
from MSLesionSegLib.imaging.formats import StoredVolume, check_itk_header, from_itk

_MODALITY = "0008|0060"
_NUMBER = "0020|0011"
_POSITION = "0020|0032"
_ORIENTATION = "0020|0037"
_ROWS = "0028|0010"
# in a file's first bytes: what kind of object it holds, in the file's own header or, where it has none, in the data
_CLASS = rb"(?:\x02\x00\x02\x00UI..|\x08\x00\x16\x00(?:UI..|....))"
_ANY_CLASS = re.compile(_CLASS + rb"[\d.]+", re.DOTALL)
# the classes of MR images (DICOM PS3.6, A), without spectroscopy
_MR_CLASS = re.compile(_CLASS + rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.4(\.[134])?(?![\d.])", re.DOTALL)
_PREAMBLE = 128  # bytes, mostly zero, before the letters DICM (DICOM PS3.10, 7.1)
_DATES = ("0008|0022", "0008|0020")  # of acquisition, of study


@dataclass(frozen=True)
class _Series:
    """The files of one image series, sorted along the slice normal, and what its first file says."""

    files: tuple[str, ...]
    modality: str
    number: str


def open_dicom(folder: Path) -> StoredVolume:
    """Open the one image series that lies directly in a folder, with SimpleITK (GDCM).

    Scaling to the scanner's values (rescale slope) is applied. The hash covers the bytes of the series'
    files, independent of their names.

    Raises:
        ImageError: no or several series, not MR, several volumes in one series, missing slices, a damaged
            file, also one that GDCM would pass over.
    """
    import SimpleITK as sitk

    name = folder.name or str(folder)
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    # GDCM's warnings repeat header text on the terminal, where a patient's name must not appear.
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        series = _the_one_series(folder, name)
        _check_remains(folder, series, name)
        stored, affine = _read(series, name)
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
    checks.check_affine(name, affine)
    digests = sorted(hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in series.files)
    return StoredVolume(stored, 1.0, 0.0, affine, None, hashlib.sha256("".join(digests).encode()).hexdigest())


def series_values(folder: Path, tags: tuple[str, ...]) -> list[str]:
    """Values of some tags (``0018|0087``) in the first file of the one series in a folder; empty where absent.

    Raises:
        ImageError: no or several series.
    """
    header = _header(_the_one_series(folder, folder.name or str(folder)).files[0])
    return ["" if header is None else _value(header, tag) for tag in tags]


def acquisition_date(path: Path) -> str | None:
    """Day of a DICOM series as YYYYMMDD, for comparing two scans; None for other files and where none is given.

    The date belongs to the patient's data: it must not be written into a result.
    """
    if not path.is_dir():
        return None
    dates = series_values(path, _DATES)
    return next((date for date in dates if len(date) == 8 and date.isdecimal()), None)


def _the_one_series(folder: Path, name: str) -> _Series:
    import SimpleITK as sitk

    found = []
    for identifier in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
        files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), identifier)
        header = _header(files[0]) if files else None
        # Reports and presentation states are DICOM too, but have no rows of pixels.
        if header is not None and header.HasMetaDataKey(_ROWS):
            found.append(_Series(tuple(files), _value(header, _MODALITY), _value(header, _NUMBER)))
    if not found:
        raise ImageError(
            f"The folder {name} holds no DICOM images. Give the folder in which the files of one series lie, "
            "or a NIfTI or NRRD file."
        )
    if len(found) > 1:
        names = ", ".join(_title(series) for series in found)
        raise ImageError(
            f"The folder {name} holds {len(found)} image series: {names}. Put the files of the one that you "
            "want into a folder of their own."
        )
    if found[0].modality not in ("", "MR"):
        raise ImageError(
            f"The folder {name} holds images of modality {found[0].modality[:16]}, not MR. Give the MR scan."
        )
    return found[0]


def _title(series: _Series) -> str:
    """Number, modality and size: a series' description is free text and may name the patient."""
    number = f"number {series.number}" if series.number.isdecimal() else "without number"
    return f"{number} ({series.modality[:16] or 'unknown modality'}, {len(series.files)} files)"


def _read(series: _Series, name: str) -> tuple[np.ndarray, np.ndarray]:
    import SimpleITK as sitk

    try:
        if len(series.files) == 1:
            reader = sitk.ImageFileReader()
            reader.SetFileName(series.files[0])
            reader.ReadImageInformation()
            check_itk_header(name, reader)
        else:
            check_itk_slice(name, series.files[0])
            _check_positions(series, name)
            reader = sitk.ImageSeriesReader()
            reader.SetFileNames(series.files)
        return from_itk(reader.Execute())
    except RuntimeError:
        raise _damaged(name) from None


def _check_remains(folder: Path, series: _Series, name: str) -> None:
    """Refuse what is left of a slice: at an end of the stack it would be missing unseen."""
    known = {Path(file).name for file in series.files}
    patterns = {_name_pattern(file) for file in known}
    for path in folder.iterdir():
        if path.name in known or path.name.startswith(".") or not path.is_file():
            continue
        alike = _name_pattern(path.name) in patterns
        try:
            with path.open("rb") as file:
                begin = file.read(1024)
        except OSError as error:
            if not alike:
                continue
            raise ImageError(
                f"A file in the folder {name} cannot be opened ({error.strerror}). Check that you may read them all."
            ) from None
        if _MR_CLASS.search(begin):
            raise _damaged(name)
        if _ANY_CLASS.search(begin):
            continue  # a report, a spectrum or a list of files
        empty = len(begin) < _PREAMBLE + 4 and not begin.strip(b"\0") and not path.suffix[1:].isalpha()
        if alike or empty or begin[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
            raise _damaged(name)


def _name_pattern(name: str) -> str:
    """A file's ending if it has one in letters, else its name without digits: what a series' files have in common."""
    ending = Path(name).suffix.lower()
    return ending if ending[1:].isalpha() else re.sub(r"\d+", "", name.lower())


def _damaged(name: str) -> ImageError:
    return ImageError(
        f"The folder {name} holds a DICOM file that is damaged or does not fit the others. Export the series again."
    )


def check_itk_slice(name: str, file: str) -> None:
    """Check the kind of voxels of one file of a series."""
    header = _header(file)
    if header is not None and header.GetNumberOfComponents() > 1:
        raise checks.several_values(name)


def _check_positions(series: _Series, name: str) -> None:
    """Refuse slices that are no evenly spaced straight stack: the volume would be distorted unseen."""
    positions, normal = [], None
    for file in series.files:
        header = _header(file)
        place = _numbers(header, _POSITION, 3)
        axes = _numbers(header, _ORIENTATION, 6)
        if place is None or axes is None:
            raise ImageError(
                f"The folder {name} holds DICOM images without a position in space (pictures or derived "
                "images). Give the original series."
            )
        normal = np.cross(axes[:3], axes[3:]) if normal is None else normal
        positions.append(place)
    along = np.array(positions) @ normal
    order = np.argsort(along)
    steps = np.diff(along[order])
    usual = float(np.median(steps))
    repeats = len(steps) + 1 - np.count_nonzero(steps > 0.01)
    if repeats > 1 or usual <= 0.01:
        raise ImageError(
            f"The folder {name} holds several images of the same slice in one series (several echoes or time "
            "points). Export one volume of it, for example with dcm2niix."
        )
    if np.abs(steps - usual).max() > 0.1 * usual:
        raise ImageError(
            f"The folder {name} holds a series with missing or unevenly spaced slices ({steps.min():.1f} to "
            f"{steps.max():.1f} mm apart). Export the whole series again."
        )
    drift = np.diff(np.array(positions)[order], axis=0)
    sideways = np.linalg.norm(drift - np.outer(drift @ normal, normal), axis=1)
    if sideways.max() > 0.01 * usual:
        raise ImageError(
            f"The folder {name} holds a series whose slices are stacked at a slant (gantry tilt). Convert it "
            "to a straight grid, for example with dcm2niix, and give that file."
        )


def _header(file: str):
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(file)
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    return reader


def _value(header, tag: str) -> str:
    return header.GetMetaData(tag).strip() if header.HasMetaDataKey(tag) else ""


def _numbers(header, tag: str, count: int) -> np.ndarray | None:
    try:
        numbers = np.array([float(part) for part in _value(header, tag).split("\\")])
    except (AttributeError, ValueError):
        return None
    return numbers if numbers.size == count else None
