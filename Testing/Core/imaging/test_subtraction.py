"""Follow-up minus baseline shows what changed and not how the scans were made."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks import comparability
from MSLesionSegLib.imaging.checks.comparability import ComparabilityCheck, overall
from MSLesionSegLib.imaging.normalization import tissue_scale
from MSLesionSegLib.imaging.registration import register
from MSLesionSegLib.imaging.subtraction import as_coarse_as, linear_match, relative_field, subtract
from phantoms.phantom import centred, make_head

SHAPE = (40, 46, 38)
AFFINE = centred((3, 3, 3), np.eye(3), SHAPE)


def pair(followup_data=None, followup_affine=AFFINE, **settings):
    """Subtraction of the phantom and a changed copy of it."""
    head = make_head(AFFINE, SHAPE)
    data = np.asarray(head.flair.dataobj) if followup_data is None else followup_data
    followup = nib.Nifti1Image(data.astype(np.float32), followup_affine)
    brain = nib.Nifti1Image(np.asarray(head.brain.dataobj), followup_affine)
    if data.shape != SHAPE:
        brain = nib.Nifti1Image((data > 0).astype(np.uint8), followup_affine)
    registration = register(followup, head.flair, moving_mask=brain, fixed_mask=head.brain)
    return subtract(head.flair, followup, head.brain, brain, registration, spacing=2.0, **settings)


def test_the_same_scan_twice_leaves_nothing():
    found = pair()
    assert np.abs(found.difference).max() < 0.3
    assert found.covered == found.covered_followup == 1.0
    assert found.correlation > 0.999


def test_gain_and_offset_of_the_scanner_vanish_and_a_new_lesion_stays():
    head = make_head(AFFINE, SHAPE)
    data = np.asarray(head.flair.dataobj).astype(float).copy()
    inside = np.asarray(head.brain.dataobj) > 0
    x, y, z = np.moveaxis(nib.affines.apply_affine(AFFINE, np.moveaxis(np.indices(SHAPE), 0, -1)), -1, 0)
    spot = (x + 20) ** 2 + (y - 18) ** 2 + (z + 4) ** 2 < 6**2
    data[spot] += 70
    data = np.where(inside, 3.1 * data * np.exp(0.004 * x) + 25, 0)
    found = pair(data)
    grid = nib.affines.apply_affine(np.linalg.inv(found.affine), [-20, 18, -4]).round().astype(int)
    assert found.difference[tuple(grid)] > 1.5
    far = found.brain.copy()
    far[tuple(slice(c - 8, c + 9) for c in grid)] = False
    assert np.percentile(np.abs(found.difference[far]), 95) < 0.5
    assert abs(np.median(found.difference[far])) < 0.1


def test_a_lesion_mask_that_covers_the_brain_does_not_empty_the_comparison():
    whole = make_head(AFFINE, SHAPE).brain
    assert np.isfinite(pair(lesions=whole).difference).all()


def test_scans_that_show_different_parts_of_the_head_are_refused():
    head = make_head(AFFINE, SHAPE)
    data = np.asarray(head.flair.dataobj)
    low, high = (
        nib.Nifti1Image(data[:, :, part], AFFINE @ shift(part.start))
        for part in (slice(0, 12), slice(26, 38))
    )
    masks = [nib.Nifti1Image((np.asarray(i.dataobj) > 0).astype(np.uint8), i.affine) for i in (low, high)]
    still = register(head.flair, head.flair, moving_mask=head.brain, fixed_mask=head.brain)
    with pytest.raises(ImageError, match="hardly any common part"):
        subtract(low, high, *masks, still, spacing=2.0)


def shift(slices: int) -> np.ndarray:
    step = np.eye(4)
    step[2, 3] = slices
    return step


def test_the_finer_scan_is_blurred_to_the_coarser_one_along_its_thick_axis_only():
    point = np.zeros((21, 21, 21), np.float32)
    point[10, 10, 10] = 1
    fine = nib.Nifti1Image(point, np.eye(4))
    thick_from_front = np.diag([1.0, 5.0, 1.0, 1.0])
    blurred = np.asarray(as_coarse_as(fine, thick_from_front).dataobj)
    assert blurred[10, :, 10].max() < 0.3
    assert blurred[10, 10, 10] == blurred.max()
    assert np.count_nonzero(blurred[:, 10, 10]) == np.count_nonzero(blurred[10, 10, :]) == 1
    coarse = nib.Nifti1Image(point, thick_from_front)
    np.testing.assert_array_equal(np.asarray(as_coarse_as(coarse, np.eye(4)).dataobj), point)


def test_a_linear_match_does_not_follow_what_changed():
    rng = np.random.default_rng(0)
    reference = rng.normal(0, 1, 5000)
    values = (reference + rng.normal(0, 0.1, 5000)) / 2 + 3
    values[:250] += 5  # new lesions
    gain, offset = linear_match(values, reference)
    assert gain == pytest.approx(2, rel=0.05)
    assert offset == pytest.approx(-6, abs=0.2)


def test_the_relative_field_is_found_and_a_lesion_is_not_part_of_it():
    x = np.linspace(-1, 1, 60)[:, None, None] * np.ones((60, 60, 60))
    reference = np.full(x.shape, 100.0)
    image = reference * np.exp(0.2 * x)
    image[28:33, 28:33, 28:33] *= 2
    field = relative_field(image, reference, np.ones(x.shape, bool))
    corrected = image / field
    assert corrected[30, 30, 30] / corrected[30, 10, 10] > 1.9
    inner = corrected[10:50, 5, 5]
    assert inner.max() / inner.min() < 1.1  # it was 1.3


def test_a_field_that_changes_within_centimetres_is_divided_out_and_a_large_new_lesion_stays():
    x, y, z = np.indices((90, 60, 60), dtype=float)
    reference = 100 + 5 * np.random.default_rng(0).normal(size=x.shape)
    lesion = (x - 45) ** 2 + (y - 30) ** 2 + (z - 30) ** 2 <= 10**2
    image = reference * np.exp(0.15 * np.sin(2 * np.pi * x / 90))
    image[lesion] *= 1.6
    corrected = image / relative_field(image, reference, np.ones(x.shape, bool)) / reference
    profile = corrected[5:85, 5, 5]
    assert profile.max() / profile.min() < 1.1  # it was 1.35
    assert np.median(corrected[lesion]) / np.median(corrected) > 1.4


def test_lesions_do_not_shift_the_scale_of_the_tissue():
    rng = np.random.default_rng(1)
    tissue = rng.normal(100, 10, 10_000)
    with_lesions = np.concatenate([tissue, np.full(800, 220.0)])
    assert tissue_scale(with_lesions) == pytest.approx(tissue_scale(tissue), rel=0.02)


@pytest.mark.parametrize(
    "check, value, light",
    [
        (comparability.check_coverage, 1.0, "green"),
        (comparability.check_coverage, 0.9, "amber"),
        (comparability.check_coverage, 0.4, "red"),
        (comparability.check_correlation, 0.93, "green"),
        (comparability.check_correlation, 0.7, "amber"),
        (comparability.check_correlation, 0.2, "red"),
        (comparability.check_correlation, float("nan"), "red"),
        (comparability.check_deformation, 1.0, "green"),
        (comparability.check_deformation, 4.0, "amber"),
        (comparability.check_deformation, 60.0, "red"),
    ],
)
def test_each_light_has_its_sentence(check, value, light):
    found = check(value)
    assert found.light == light
    assert found.sentence.endswith(".")


@pytest.mark.parametrize("thick, light", [(1.0, "green"), (3.0, "amber"), (7.0, "red")])
def test_slice_thickness_is_compared(thick, light):
    fine, other = (nib.Nifti1Image(np.zeros((4, 4, 4)), np.diag([1, 1, z, 1.0])) for z in (1.0, thick))
    assert comparability.check_thickness(fine, other).light == light
    assert comparability.check_thickness(other, fine).light == light


def test_two_scans_with_thick_slices_are_never_green():
    thick = nib.Nifti1Image(np.zeros((4, 4, 4)), np.diag([1, 1, 7, 1.0]))
    check = comparability.check_thickness(thick, thick)
    assert check.light == "amber"
    assert "partial volume" in check.sentence


def test_an_inverted_contrast_is_no_follow_up():
    head = make_head(centred((1.5, 1.5, 3), np.eye(3), (80, 92, 38)), (80, 92, 38))
    data = np.asarray(head.flair.dataobj)
    inverted = nib.Nifti1Image(np.where(data > 0, 220 - data, 0), head.flair.affine)
    assert comparability.check_contrast(head.flair, head.flair).light == "green"
    assert comparability.check_contrast(head.flair, inverted).light != "green"


def test_the_worst_light_counts():
    checks = [ComparabilityCheck("a", light, 0.0, "") for light in ("green", "red", "amber")]
    assert overall(checks) == "red"
    assert overall(checks[:1]) == "green"
    assert overall([]) == "green"
