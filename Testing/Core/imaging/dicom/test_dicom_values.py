"""The values of DICOM slices are the scanner's, however they are stored."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from MSLesionSegLib.imaging.deidentification import save_scrubbed
from MSLesionSegLib.imaging.reading import read_scan
from phantoms.dicom_files import ORDERS, values, write_dicom, write_frames
from phantoms.scan_files import noise

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
