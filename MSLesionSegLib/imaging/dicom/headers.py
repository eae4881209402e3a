"""The headers of DICOM files, which may be damaged or no DICOM at all."""

from __future__ import annotations

import contextlib
import filecmp
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pydicom

# in a file's first bytes: what kind of object it holds, in the file's own header or, where it has none, in the data
_CLASS = rb"(?:\x02\x00\x02\x00UI..|\x08\x00\x16\x00(?:UI..|....))"
ANY_CLASS = re.compile(_CLASS + rb"[\d.]+", re.DOTALL)
# the classes of MR images (DICOM PS3.6, A), without spectroscopy
MR_CLASS = re.compile(_CLASS + rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.4(\.[134])?(?![\d.])", re.DOTALL)
PREAMBLE = 128  # bytes, mostly zero, before the letters DICM (DICOM PS3.10, 7.1)
_BEGIN = 1024


def read_header(path: Path) -> pydicom.Dataset | None:
    """All of a DICOM file but its pixels; None for other files and for what cannot be understood."""
    try:
        begin = begin_of(path)
        if begin[PREAMBLE : PREAMBLE + 4] != b"DICM" and not ANY_CLASS.search(begin):
            return None
        return parse(path, stop_before_pixels=True)
    except Exception:  # pydicom raises errors of many kinds on damaged files
        return None


def parse(source: Path | io.BytesIO, stop_before_pixels: bool = False) -> pydicom.Dataset:
    """A DICOM file with the transfer syntax that it has, also where it has no file header that names it."""
    dataset = pydicom.dcmread(source, force=True, stop_before_pixels=stop_before_pixels)
    if "TransferSyntaxUID" not in dataset.file_meta:  # some archives write files without preamble and header
        implicit, little = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = (
            pydicom.uid.ImplicitVRLittleEndian
            if implicit
            else pydicom.uid.ExplicitVRLittleEndian
            if little
            else pydicom.uid.ExplicitVRBigEndian
        )
    return dataset


def begin_of(path: Path) -> bytes:
    """The first bytes of a file, in which its class stands."""
    with path.open("rb") as file:
        return file.read(_BEGIN)


class Copies:
    """Which files are byte for byte copies of others, as discs and exports have them."""

    def __init__(self) -> None:
        self._first: dict[str, Path] = {}

    def has(self, file: Path, uid: str) -> bool:
        """Whether a file repeats one that was asked about before; files are compared where their image's UIDs are."""
        first = self._first.setdefault(uid, file) if uid else file
        return first is not file and filecmp.cmp(first, file, shallow=False)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Warnings of pydicom and GDCM repeat header text on the terminal, where a patient's name must not appear."""
    import SimpleITK as sitk

    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        with warnings.catch_warnings(), pydicom.config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
