"""What is wrong with the content of a scan is refused, repaired or told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks.scan_checks import check_shape
from MSLesionSegLib.imaging.reading import read_scan
from phantoms.scan_files import SHAPE, codes, noise, sentence, write_fields, write_nifti


def test_a_good_scan_has_no_findings(tmp_path: Path) -> None:
    assert read_scan(write_nifti(tmp_path / "scan.nii.gz", noise())).findings == ()


@pytest.mark.parametrize("shape", [(36, 40), (36, 40, 1), (36, 1, 34)])
def test_a_single_slice_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"^slice\.nii is a single 2D slice .*Give the whole 3D scan"):
        read_scan(write_nifti(tmp_path / "slice.nii", noise(shape)))


def test_a_volume_without_voxels_is_called_so() -> None:
    with pytest.raises(ImageError, match=r"scan\.nii holds no voxels \(0 x 4 x 4\)"):
        check_shape("scan.nii", (0, 4, 4))


def test_a_giant_is_refused_before_its_voxels_are_read(tmp_path: Path) -> None:
    path = write_fields(tmp_path / "giant.nii", dim=[3, 2000, 2000, 2000, 1, 1, 1, 1])
    with pytest.raises(ImageError, match="too large"):
        read_scan(path)


@pytest.mark.parametrize(("value", "words"), [(0, "is empty: every voxel is 0"), (7, "has the value 7")])
def test_an_image_without_content_is_refused(tmp_path: Path, value: int, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        read_scan(write_nifti(tmp_path / "scan.nii", np.full(SHAPE, value, np.int16)))


def test_a_mask_given_as_the_scan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds only 2 different values, so it is a mask"):
        read_scan(write_nifti(tmp_path / "mask.nii", np.where(noise() > 1200, 255, 0).astype(np.uint8)))
    with pytest.raises(ImageError, match="holds only 4 different values, so it is a mask"):
        read_scan(write_nifti(tmp_path / "mask.nii", noise().astype(np.float32) // 400))


def test_few_voxels_that_are_no_numbers_are_repaired_from_their_neighbours(tmp_path: Path) -> None:
    data = noise(dtype=np.float32)
    data[10:13, 10:13, 10:13] = 500
    data[11, 11, 11], data[0, 0, 0] = np.nan, -np.inf
    scan = read_scan(write_nifti(tmp_path / "scan.nii", data))
    assert codes(scan) == ["repaired-values"]
    assert "scan.nii had 2 voxels" in sentence(scan, "repaired-values")
    repaired = scan.image.get_fdata()
    assert repaired[11, 11, 11] == 500
    assert np.isfinite(repaired).all()
    good = np.isfinite(data)
    np.testing.assert_array_equal(repaired[good], data[good])


def test_a_hole_too_deep_for_neighbours_is_filled_with_zero(tmp_path: Path) -> None:
    data = noise(dtype=np.float32)
    data[10:13, 10:13, 10:13] = np.nan
    assert read_scan(write_nifti(tmp_path / "scan.nii", data)).image.get_fdata()[11, 11, 11] == 0


def ball() -> np.ndarray:
    """Where a brain would be."""
    steps = zip(np.indices(SHAPE), SHAPE, strict=True)
    return sum((2 * (index - (size - 1) / 2) / size) ** 2 for index, size in steps) < 1


@pytest.mark.parametrize(("lowest", "air"), [(20, 0), (0, 0), (-700, -700)])
def test_what_is_no_number_around_a_brain_is_air(tmp_path: Path, lowest: int, air: int) -> None:
    data = (
        np.maximum(noise(dtype=np.float32) - 700, lowest) if lowest < 0 else noise(dtype=np.float32) + lowest
    )
    data[18, 20, 17] = lowest
    data[~ball()] = np.nan
    scan = read_scan(write_nifti(tmp_path / "scan.nii", data))
    assert codes(scan) == ["missing-values"]
    assert "around the head or brain that are not a number. They were taken for air" in sentence(
        scan, "missing-values"
    )
    np.testing.assert_array_equal(scan.own_values.get_fdata(), np.where(ball(), data, air))


def test_few_holes_in_a_brain_that_nothing_surrounds_are_repaired_as_well(tmp_path: Path) -> None:
    data = noise(dtype=np.float32)
    data[10:15, 20:25, 15:20] = 500
    data[~ball()] = data[12, 22, 17] = np.nan
    scan = read_scan(write_nifti(tmp_path / "scan.nii", data))
    assert codes(scan) == ["missing-values", "repaired-values"]
    assert scan.image.get_fdata()[12, 22, 17] == 500


def test_a_field_of_view_that_ends_within_the_volume_is_told(tmp_path: Path) -> None:
    data = noise(dtype=np.float32)
    data[:, :, 25:] = np.nan
    scan = read_scan(write_nifti(tmp_path / "scan.nii", data))
    assert codes(scan) == ["small-coverage", "missing-values"]
    assert "covers only 108 x 120 x 75 mm" in sentence(scan, "small-coverage")


@pytest.mark.parametrize(
    "hole",
    [(slice(8, 28), slice(8, 28), slice(8, 28)), (slice(10, 13),), (..., slice(20, 21)), (...,)],
    ids=["a hole", "three slices", "one slice", "all"],
)
def test_many_voxels_that_are_no_numbers_within_the_head_are_refused(tmp_path: Path, hole: tuple) -> None:
    data = noise(dtype=np.float32)
    data[hole] = np.nan
    with pytest.raises(
        ImageError,
        match=r"^scan.nii has \d+ voxels .* that are infinite, or not a number.*export the scan again",
    ):
        read_scan(write_nifti(tmp_path / "scan.nii", data))


def test_many_infinite_voxels_are_no_air(tmp_path: Path) -> None:
    data = noise(dtype=np.float32)
    data[:5] = np.inf
    with pytest.raises(ImageError, match=r"has 6800 voxels \(13.9 %\) that are infinite, or not a number"):
        read_scan(write_nifti(tmp_path / "scan.nii", data))


def test_bright_numbers_that_wrapped_to_negative_ones_are_refused(tmp_path: Path) -> None:
    bright = noise().astype(np.int64) * 30
    with pytest.raises(ImageError, match="overflowed their 16-bit type"):
        read_scan(write_nifti(tmp_path / "scan.nii", bright.astype(np.uint16).view(np.int16)))


def test_negative_numbers_that_wrapped_to_bright_ones_are_refused(tmp_path: Path) -> None:
    ringing = noise() - 100
    with pytest.raises(ImageError, match="overflowed their 16-bit type"):
        read_scan(write_nifti(tmp_path / "scan.nii", ringing.view(np.uint16)))


def test_a_few_negative_numbers_are_normal(tmp_path: Path) -> None:
    assert codes(read_scan(write_nifti(tmp_path / "scan.nii", noise() - 100))) == []


@pytest.mark.parametrize(("dtype", "limit"), [(np.uint8, 255), (np.int16, 1400), (np.float32, 1400.0)])
def test_intensities_that_were_cut_off_are_told(tmp_path: Path, dtype: type, limit: float) -> None:
    scan = read_scan(write_nifti(tmp_path / "scan.nii", np.minimum(noise(), limit).astype(dtype)))
    assert codes(scan) == ["clipped"]
    assert "is clipped at its highest value" in sentence(scan, "clipped")


@pytest.mark.parametrize(("slope", "intercept"), [(np.nan, 0), (np.inf, 0), (-np.inf, np.nan)])
def test_a_broken_scaling_is_ignored_and_told(tmp_path: Path, slope: float, intercept: float) -> None:
    scan = read_scan(write_fields(tmp_path / "scan.nii", scl_slope=slope, scl_inter=intercept))
    assert codes(scan) == ["broken-scaling"]
    np.testing.assert_array_equal(scan.image.get_fdata(), noise())


def test_a_slope_of_zero_means_no_scaling(tmp_path: Path) -> None:
    scan = read_scan(write_fields(tmp_path / "scan.nii", scl_slope=0, scl_inter=5))
    assert codes(scan) == []
    np.testing.assert_array_equal(scan.image.get_fdata(), noise())


def test_a_scaling_beyond_floating_point_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="infinite, or not a number"):
        read_scan(write_fields(tmp_path / "scan.nii", scl_slope=3e38, scl_inter=0))


def test_sentences_never_repeat_text_from_the_header(tmp_path: Path) -> None:
    path = write_fields(tmp_path / "scan.nii", sform_code=0, descrip=b"Secret Name", scl_slope=np.nan)
    scan = read_scan(path)
    assert len(scan.findings) == 2
    assert all("Secret" not in f.sentence and f.sentence.startswith("scan.nii ") for f in scan.findings)
