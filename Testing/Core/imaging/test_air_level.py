"""The same picture on any scale of values is the same scan: the level of air is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.imaging.checks.air_level import AT_ZERO, above_air, measure_air
from MSLesionSegLib.imaging.deidentification import content_hash
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.network.brain_extraction import brain_mask
from phantoms.phantom import Head

SCALES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as measured by a scanner of Hounsfield units": lambda x: x - 1024,
    "shifted up": lambda x: x + 4096,
    "from -1 to 1": lambda x: 2 * (x - x.min()) / np.ptp(x) - 1,
    "z-scored over all voxels": lambda x: (x - x.mean()) / x.std(),
    "tiny": lambda x: x * 1e-6 - 1e-4,
    "huge": lambda x: x * 1e6 + 1e7,
    "without contrast": lambda x: 500 + 0.01 * x,
}


@pytest.fixture
def scanned(thick_head) -> nib.Nifti1Image:
    """A head with skull and noise on thick slices."""
    return thick_head.flair


def values(image: nib.Nifti1Image) -> np.ndarray:
    return np.asarray(image.dataobj, dtype=np.float32)


def relative(data: np.ndarray) -> np.ndarray:
    return data / np.percentile(data, 99)


def mask_of(data: np.ndarray, like: nib.Nifti1Image) -> np.ndarray:
    return np.asarray(brain_mask(nib.Nifti1Image(data.astype(np.float32), like.affine)).dataobj) > 0


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def test_a_scan_with_air_at_zero_is_left_as_it_is(scanned, head: Head):
    for image in (scanned, head.flair):
        assert measure_air(values(image)) == AT_ZERO
        assert above_air(image) is image


def test_overshoot_beside_bright_fat_is_not_taken_for_air(scanned):
    data = values(scanned).copy()
    data[10:12, 10:12, 10:12] = -0.3 * data.max()
    assert measure_air(data) == AT_ZERO


@pytest.mark.parametrize("name", SCALES)
def test_the_same_picture_on_another_scale_is_the_same_scan(scanned, name):
    plain = values(scanned)
    other = SCALES[name](plain.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(relative(measure_air(other).remove(other)), relative(plain), atol=2e-3)


def test_the_same_picture_on_another_scale_has_the_same_brain(scanned):
    plain = values(scanned)
    z = (plain - plain.mean()) / plain.std()
    assert dice(mask_of(z, scanned), mask_of(plain, scanned)) > 0.999


@pytest.mark.parametrize("filling", [-2000, 32767])
def test_padding_in_the_corners_is_no_intensity(scanned, filling, tmp_path: Path):
    plain = np.round(values(scanned)).astype(np.int16)
    padded = plain.copy()
    for corner in np.ndindex(2, 2):
        padded[tuple(slice(-6, None) if end else slice(6) for end in corner)] = filling
    nib.save(nib.Nifti1Image(padded, scanned.affine), tmp_path / "padded.nii")
    scan = read_scan(tmp_path / "padded.nii")
    assert scan.air.filling == (filling,)
    assert not any(finding.code == "clipped" for finding in scan.findings)
    np.testing.assert_array_equal(values(scan.image)[padded != filling], plain[padded != filling])
    assert not values(scan.image)[padded == filling].any()


@pytest.mark.parametrize("background", [-1000, -3, 0, 2000])
def test_a_brain_that_was_cut_out_keeps_its_outline_on_any_background(head: Head, background):
    inside = np.asarray(head.brain.dataobj) > 0
    plain = values(head.flair)
    z = (plain - plain[inside].mean()) / plain[inside].std()
    outline = mask_of(plain, head.flair)
    for body in (plain, z):
        np.testing.assert_array_equal(mask_of(np.where(inside, body, background), head.flair), outline)


def test_air_that_is_noise_around_37_is_air(scanned):
    rng = np.random.default_rng(3)
    plain = values(scanned)
    noisy = plain + 37 + rng.normal(0, 4, plain.shape)
    assert dice(mask_of(noisy, scanned), mask_of(plain, scanned)) > 0.99


def test_what_a_scan_is_known_by_are_the_values_of_its_file(head: Head, tmp_path: Path):
    shifted = values(head.flair) + 1000
    nib.save(nib.Nifti1Image(shifted, head.flair.affine), tmp_path / "shifted.nii")
    nib.save(nib.Nifti1Image(values(head.flair), head.flair.affine), tmp_path / "plain.nii")
    scan, plain = read_scan(tmp_path / "shifted.nii"), read_scan(tmp_path / "plain.nii")
    assert content_hash(scan.own_values) == content_hash(nib.Nifti1Image(shifted, head.flair.affine))
    np.testing.assert_allclose(values(scan.image), values(plain.image), atol=1e-3)
    assert plain.own_values is plain.image
