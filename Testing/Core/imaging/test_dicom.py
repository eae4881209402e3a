from __future__ import annotations

import errno
import hashlib
import os
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    MRSpectroscopyStorage,
    RLELossless,
    generate_uid,
)
from scipy.spatial.transform import Rotation

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.imaging.scrubbing import save_scrubbed
from phantoms.dicom_files import write_dicom, write_frames
from phantoms.scan_files import AFFINE, SHAPE, assert_same_world, noise


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


def values(folder: Path) -> np.ndarray:
    return np.asarray(read_scan(folder).own_values.dataobj)


ORDERS = {
    "from the top": range(33, -1, -1),
    "interleaved": [*range(0, 34, 2), *range(1, 34, 2)],
    "four packages": [k for first in (2, 0, 3, 1) for k in range(first, 34, 4)],
}


@pytest.mark.parametrize("order", ORDERS)
def test_frames_are_put_where_they_say_that_they_lie_whatever_their_order_in_the_file(
    tmp_path: Path, order: str
) -> None:
    oblique = AFFINE.copy()
    oblique[:3, :3] = Rotation.from_euler("xyz", [20, -10, 35], degrees=True).as_matrix() @ np.diag([2, 3, 4])
    scan = read_scan(write_frames(tmp_path / "frames", noise(), oblique, order=ORDERS[order]))
    assert_same_world(scan.image, noise(), oblique)


def test_a_series_in_one_file_and_in_many_is_the_same_scan(tmp_path: Path) -> None:
    slices = read_scan(write_dicom(tmp_path / "slices", noise())).image
    frames = read_scan(write_frames(tmp_path / "frames", noise(), order=ORDERS["interleaved"])).image
    np.testing.assert_array_equal(frames.affine, slices.affine)
    np.testing.assert_array_equal(np.asarray(frames.dataobj), np.asarray(slices.dataobj))


def test_packages_in_files_of_their_own_are_one_scan(tmp_path: Path) -> None:
    series = generate_uid()
    for first in range(3):
        write_frames(
            tmp_path / "packages", noise(), order=range(first, 34, 3), series=series, name=str(first)
        )
    assert_same_world(read_scan(tmp_path / "packages").image, noise(), AFFINE)


SCALINGS = [(1.0, 0.0)] + [(0.37 + 0.05 * k, 10.0 - k) for k in range(33)]


@pytest.mark.parametrize("kind", ["slices", "frames"])
def test_each_slice_is_scaled_by_its_own_slope_and_intercept_in_floating_point(
    tmp_path: Path, kind: str
) -> None:
    def own_scaling(item, index):
        item.RescaleSlope, item.RescaleIntercept = SCALINGS[index]

    if kind == "slices":
        folder = write_dicom(tmp_path / "series", noise(), edit=own_scaling)
    else:
        folder = write_frames(tmp_path / "series", noise(), scalings=SCALINGS)
    slope, intercept = np.array(SCALINGS).T
    found = nib.as_closest_canonical(read_scan(folder).own_values).get_fdata()
    np.testing.assert_allclose(found, noise() * slope + intercept, rtol=1e-6)


def test_the_scaling_follows_its_frame_when_the_frames_are_sorted(tmp_path: Path) -> None:
    order = ORDERS["four packages"]
    folder = write_frames(tmp_path / "frames", noise(), order=order, scalings=[SCALINGS[k] for k in order])
    slope, intercept = np.array(SCALINGS).T
    found = nib.as_closest_canonical(read_scan(folder).own_values).get_fdata()
    np.testing.assert_allclose(found, noise() * slope + intercept, rtol=1e-6)


def test_a_copy_without_names_keeps_the_scaled_values(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "frames", noise(), scalings=[(0.1, 3.7)] * 34)
    save_scrubbed(folder, tmp_path / "copy.nii.gz")
    np.testing.assert_array_equal(read_scan(tmp_path / "copy.nii.gz").own_values.get_fdata(), values(folder))


def test_signed_and_unsigned_slices_of_one_series_keep_their_values(tmp_path: Path) -> None:
    def unsigned(item, index):
        if index % 2:
            item.PixelRepresentation, item.BitsStored, item.HighBit = 0, 12, 11

    np.testing.assert_array_equal(
        values(write_dicom(tmp_path / "mixed", noise(), edit=unsigned)),
        values(write_dicom(tmp_path / "plain", noise())),
    )


@pytest.mark.parametrize(
    "syntax", [RLELossless, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian]
)
def test_every_way_of_storing_pixels_gives_the_same_ones(tmp_path: Path, syntax: str) -> None:
    def stored(item, index):
        item.RescaleSlope, item.RescaleIntercept = SCALINGS[index]
        if syntax == RLELossless:
            item.compress(RLELossless)
        elif syntax == ExplicitVRBigEndian:
            item.PixelData = np.frombuffer(item.PixelData, "<i2").astype(">i2").tobytes()
        item["PixelData"].VR = "OB" if syntax == RLELossless else "OW"
        item.file_meta.TransferSyntaxUID = syntax

    def plain(item, index):
        item.RescaleSlope, item.RescaleIntercept = SCALINGS[index]

    np.testing.assert_array_equal(
        values(write_dicom(tmp_path / "stored", noise(), edit=stored)),
        values(write_dicom(tmp_path / "plain", noise(), edit=plain)),
    )


def test_slices_where_zero_is_white_are_turned_to_where_it_is_black(tmp_path: Path) -> None:
    def inverted(item, index):
        item.PhotometricInterpretation, item.PixelRepresentation = "MONOCHROME1", 0
        item.BitsStored, item.HighBit = 12, 11

    turned = values(write_dicom(tmp_path / "inverted", noise(), edit=inverted))
    np.testing.assert_array_equal(turned, 4095 - values(write_dicom(tmp_path / "plain", noise())))


def turn(degrees: float, item, index: int) -> None:
    if index > 20:
        angle = np.radians(degrees)
        along, across = [np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0]
        item.ImageOrientationPatient = [f"{-value:.8f}" for value in (*along, *across)]


def shift(axis: int, millimetres: float, item, index: int) -> None:
    if index == 9:
        place = [float(value) for value in item.ImagePositionPatient]
        place[axis] += millimetres
        item.ImagePositionPatient = place


def replaced(item, index: int, **values: object) -> None:
    if index == 12:
        for keyword, value in values.items():
            setattr(item, keyword, value)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (partial(turn, 4), r"turned against each other \(by up to 4 degrees\)"),
        (partial(turn, 180), r"turned against each other \(by up to 1.8e\+02 degrees\)"),
        (partial(shift, 2, 1.2), r"unevenly spaced slices \(1.8 to 4.2 mm apart, mostly 3 mm\)"),
        (partial(shift, 0, 1.2), r"shifted sideways against each other \(by up to 1.2 mm\)"),
        (partial(replaced, PixelSpacing=[3, 2.5]), r"different pixel sizes \(2.5 x 3 to 3 x 3 mm\)"),
        (partial(replaced, Rows=36, Columns=40), r"different sizes \(36 x 40 and 40 x 36 pixels\)"),
        (partial(replaced, PixelSpacing=None), "without a position in space or a pixel size"),
        (partial(replaced, ImagePositionPatient=None), "without a position in space"),
        (partial(replaced, RescaleSlope=0), "slope or intercept that is 0 or not a number"),
        (partial(replaced, Modality="CT"), "modality CT, not MR"),
        (partial(replaced, EchoTime=120), None),
        (partial(replaced, FrameOfReferenceUID="1.2.3"), "2 frames of reference"),
        (partial(replaced, StudyInstanceUID="1.2.3"), "2 examinations"),
        (partial(replaced, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), "mosaics"),
    ],
)
def test_one_slice_that_does_not_fit_the_others_is_told(tmp_path: Path, edit, sentence: str | None) -> None:
    def among_others(item, index):
        item.EchoTime = 118.5
        edit(item, index)

    folder = write_dicom(tmp_path / "series", noise(), edit=among_others)
    if sentence is None:
        assert read_scan(folder).image.shape == SHAPE
        return
    with pytest.raises(ImageError, match=f"folder series .*{sentence}") as told:
        read_scan(folder)
    assert "Secret" not in str(told.value)


def test_two_echoes_whose_slices_lie_between_each_other_are_told(tmp_path: Path) -> None:
    def second_echo(item, index):
        item.EchoTime = 20 if index % 2 else 95

    with pytest.raises(ImageError, match=r"several echo times in one series \(20 to 95 ms\)"):
        read_scan(write_dicom(tmp_path / "series", noise(), edit=second_echo))


def test_an_orientation_that_differs_by_rounding_only_is_one_stack(tmp_path: Path) -> None:
    def rounded(item, index):
        if index % 2:
            item.ImageOrientationPatient = [f"{float(value):.5f}" for value in item.ImageOrientationPatient]
            item.ImagePositionPatient = [f"{float(value):.2f}" for value in item.ImagePositionPatient]

    oblique = AFFINE.copy()
    oblique[:3, :3] = Rotation.from_euler("xyz", [20, -10, 35], degrees=True).as_matrix() * 3
    image = read_scan(write_dicom(tmp_path / "series", noise(), oblique, edit=rounded)).image
    assert_same_world(image, noise(), oblique)


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (
            [k for k in range(34) if k != 17],
            r"missing or unevenly spaced slices \(3 to 6 mm apart, mostly 3 mm\)",
        ),
        ([k for k in range(34) if k != 1], "missing or unevenly spaced slices"),
        ([*range(34), 8], r"several images of the same slice in one series \(35 images at 34 places"),
        ([*range(34), *range(34)], r"68 images at 34 places"),
    ],
)
def test_frames_with_gaps_or_repeats_are_refused_like_slices(tmp_path: Path, order, sentence: str) -> None:
    with pytest.raises(ImageError, match=sentence):
        read_scan(write_frames(tmp_path / "frames", noise(), order=order))


def test_frames_that_are_fewer_than_the_header_says_are_damage(tmp_path: Path) -> None:
    def cut(item):
        item.PixelData = item.PixelData[: -36 * 40 * 2]

    def unnamed(item):
        del item.PerFrameFunctionalGroupsSequence[-1]

    for edit in (cut, unnamed):
        with pytest.raises(ImageError, match="damaged or does not fit"):
            read_scan(write_frames(tmp_path / "frames", noise(), edit=edit))


def test_nothing_of_the_header_is_shown_on_the_terminal(tmp_path: Path, capfd, caplog, recwarn) -> None:
    def odd(item, index):
        item.add_new("StudyID", "SH", "Secret" * 20)
        item.add_new("PatientBirthDate", "DA", "Secret")

    folder = write_dicom(tmp_path / "series", noise(), edit=odd)
    capfd.readouterr()
    caplog.clear()
    recwarn.clear()
    read_scan(folder)
    shown = capfd.readouterr()
    assert "Secret" not in shown.out + shown.err + caplog.text + "".join(str(w.message) for w in recwarn)
