"""DICOM slices and frames lie where they say that they lie, or the series is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import (
    generate_uid,
)
from scipy.spatial.transform import Rotation

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.reading import read_scan
from phantoms.dicom_files import ORDERS, write_dicom, write_frames
from phantoms.scan_files import AFFINE, SHAPE, assert_same_world, noise


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
