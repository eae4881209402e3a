"""Which files of a folder make one DICOM series, and what is refused."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    BasicTextSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    MRSpectroscopyStorage,
    generate_uid,
)

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.reading import read_scan
from phantoms.dicom_files import write_dicom
from phantoms.scan_files import AFFINE, SHAPE, noise


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="folder empty holds no DICOM images"):
        read_scan(tmp_path / "empty")


def test_several_series_are_refused_and_named_without_the_patient(tmp_path: Path) -> None:
    write_dicom(tmp_path / "study", noise((36, 40, 5)), number=301, prefix="a")
    write_dicom(tmp_path / "study", noise((36, 40, 7)), prefix="b")
    with pytest.raises(ImageError, match="holds 2 image series") as error:
        read_scan(tmp_path / "study")
    assert "number 301 (MR, 5 files)" in str(error.value)
    assert "without number (MR, 7 files)" in str(error.value)
    assert "Secret" not in str(error.value)


def test_a_series_with_a_missing_slice_is_refused(tmp_path: Path) -> None:
    folder = write_dicom(tmp_path / "series", noise())
    (folder / "0010.dcm").unlink()
    with pytest.raises(ImageError, match="missing or unevenly spaced slices"):
        read_scan(folder)


def test_a_series_with_two_volumes_is_refused(tmp_path: Path) -> None:
    series = generate_uid()
    folder = write_dicom(tmp_path / "series", noise(), series=series, prefix="a")
    write_dicom(folder, noise(), series=series, prefix="b")
    with pytest.raises(ImageError, match="several images of the same slice"):
        read_scan(folder)


def test_a_slanted_stack_is_refused(tmp_path: Path) -> None:
    slanted = AFFINE.copy()
    slanted[1, 2] = 0.5
    with pytest.raises(ImageError, match="slant"):
        read_scan(write_dicom(tmp_path / "series", noise(), slanted))


def test_a_ct_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="modality CT, not MR"):
        read_scan(write_dicom(tmp_path / "series", noise(), modality="CT"))


def test_one_dicom_file_asks_for_its_folder(tmp_path: Path) -> None:
    folder = write_dicom(tmp_path / "series", noise((36, 40, 3)))
    with pytest.raises(ImageError, match="Give the folder"):
        read_scan(folder / "0001.dcm")


def test_a_damaged_dicom_file_is_refused(tmp_path: Path) -> None:
    folder = write_dicom(tmp_path / "series", noise())
    damaged = folder / "0005.dcm"
    damaged.write_bytes(damaged.read_bytes()[:-500])
    with pytest.raises(ImageError, match=r"series .*(damaged|missing)"):
        read_scan(folder)


NAMES = {
    "ending": "{:04d}.dcm",
    "number": "IM{:05d}",
    "identifier": "1.2.840.113619.2.5.{}",
    "kind and identifier": "MR.1.3.12.2.1107.5.2.{}",
    "hash": None,
}


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("left", [0, 100, 140, 160, 200, 400, 900, -500])
@pytest.mark.parametrize("end", [0, -1])
def test_a_damaged_slice_at_an_end_of_the_stack_is_not_left_out(
    tmp_path: Path, end: int, left: int, names: str
) -> None:
    folder = write_dicom(tmp_path / "series", noise((36, 40, 12)))
    for number, path in enumerate(sorted(folder.iterdir())):
        given = NAMES[names]
        new = folder / (
            given.format(number) if given else f"{number:02d}{hashlib.md5(bytes([number])).hexdigest()}"
        )
        path.rename(new)
    damaged = sorted(folder.iterdir(), key=lambda path: (len(path.name), path.name))[end]
    damaged.write_bytes(damaged.read_bytes()[:left])
    with pytest.raises(ImageError, match="folder series holds a DICOM file that is damaged"):
        read_scan(folder)


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("kind", [BasicTextSRStorage, MRSpectroscopyStorage, MediaStorageDirectoryStorage])
def test_other_dicom_files_beside_a_series_do_no_harm(tmp_path: Path, kind: str, bare: bool) -> None:
    folder = write_dicom(tmp_path / "series", noise())
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if bare else ExplicitVRLittleEndian
    item = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    item.SOPClassUID, item.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    item.StudyInstanceUID, item.SeriesInstanceUID = generate_uid(), generate_uid()
    item.save_as(folder / "other.dcm", enforce_file_format=True)
    if bare:  # as some archives write them: without preamble and header
        content = (folder / "other.dcm").read_bytes()
        (folder / "other.dcm").write_bytes(content[content.index(b"\x08\x00\x16\x00") :])
    (folder / "notes.txt").write_text("no picture")
    assert read_scan(folder).image.shape == SHAPE


def test_a_slice_that_may_not_be_read_is_told_and_another_file_does_no_harm(
    tmp_path: Path, monkeypatch
) -> None:
    folder = write_dicom(tmp_path / "series", noise())
    (folder / "notes").write_text("x")
    opened = Path.open

    def refusing(path, *rest, **settings):
        if path.name in ("notes", "locked.dcm"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *rest, **settings)

    monkeypatch.setattr(Path, "open", refusing)
    assert read_scan(folder).image.shape == SHAPE
    (folder / "locked.dcm").touch()
    with pytest.raises(ImageError, match=r"folder series cannot be opened \(Permission denied\)") as told:
        read_scan(folder)
    assert str(tmp_path) not in str(told.value)
