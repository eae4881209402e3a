"""A scan that was moved is put back; a resampling happens once and in the right direction."""

from __future__ import annotations

import sys

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.errors import ImageError, MissingPackageError, SettingsError
from MSLesionSegLib.imaging.registration import REGISTRATION_METHODS, correlation, register
from phantoms.phantom import centred, make_head

SHAPE = (40, 46, 38)
AFFINE = centred((3, 3, 3), np.eye(3), SHAPE)


@pytest.fixture(scope="module")
def fixed():
    return make_head(AFFINE, SHAPE)


@pytest.fixture(scope="module")
def moving():
    """The same patient, turned by a few degrees, shifted, on another grid with another orientation."""
    turn = nib.eulerangles.euler2mat(0.08, -0.05, 0.06)
    shape = (60, 66, 28)
    head = make_head(centred((2, 2, 4), np.diag([-1, -1, 1]), shape), shape, seed=1)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, (7, -5, 6)

    def moved(image):
        return nib.Nifti1Image(np.asarray(image.dataobj), pose @ image.affine)

    return type(head)(moved(head.flair), moved(head.lesions), moved(head.brain))


@pytest.mark.parametrize("preset", REGISTRATION_METHODS)
def test_each_preset_puts_a_moved_patient_back(preset, fixed, moving):
    found = register(
        moving.flair, fixed.flair, preset=preset, moving_mask=moving.brain, fixed_mask=fixed.brain
    )
    assert found.preset == preset
    assert found.score > 0.85
    assert 1.0 <= found.largest_jacobian < (1.001 if preset == "rigid" else 2.0)
    lesions = found.apply(moving.lesions, fixed.lesions, "nearest")
    assert lesions.shape == fixed.flair.shape
    np.testing.assert_array_equal(lesions.affine, fixed.flair.affine)
    assert lesions.get_data_dtype() == np.uint8
    there, truth = np.asarray(lesions.dataobj) > 0, np.asarray(fixed.lesions.dataobj) > 0
    assert 2 * (there & truth).sum() / (there.sum() + truth.sum()) > 0.7

    back = np.asarray(found.inverse.apply(fixed.lesions, moving.lesions, "nearest").dataobj) > 0
    truth = np.asarray(moving.lesions.dataobj) > 0
    assert 2 * (back & truth).sum() / (back.sum() + truth.sum()) > 0.7


def test_the_restricted_deformation_does_not_swallow_a_new_lesion():
    shape = (60, 70, 56)
    affine = centred((2, 2, 2), np.eye(3), shape)
    fixed, moving = make_head(affine, shape), make_head(affine, shape, seed=3)
    places = nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    lesion = (np.linalg.norm(places - (-22, 20, 10), axis=-1) < 6).astype(np.float32)
    data = np.asarray(moving.flair.dataobj, dtype=np.float32)
    bright = data + lesion * 3 * data[np.asarray(moving.brain.dataobj) > 0].std()
    found = register(
        nib.Nifti1Image(bright, affine),
        fixed.flair,
        preset="restricted-syn",
        moving_mask=moving.brain,
        fixed_mask=fixed.brain,
    )
    kept = np.asarray(found.apply(nib.Nifti1Image(lesion, affine), fixed.flair).dataobj)
    assert kept.sum() > 0.85 * lesion.sum()
    assert found.largest_jacobian < 1.2


def test_without_masks_the_intensities_alone_are_registered(fixed, moving):
    found = register(moving.flair, fixed.flair)
    brain = np.asarray(found.apply(moving.brain, fixed.brain, "nearest").dataobj) > 0
    truth = np.asarray(fixed.brain.dataobj) > 0
    assert 2 * (brain & truth).sum() / (brain.sum() + truth.sum()) > 0.93


def test_the_same_input_gives_the_same_output(fixed, moving):
    first, second = (
        register(moving.flair, fixed.flair, moving_mask=moving.brain, fixed_mask=fixed.brain)
        for _ in range(2)
    )
    np.testing.assert_array_equal(
        np.asarray(first.apply(moving.flair, fixed.flair).dataobj),
        np.asarray(second.apply(moving.flair, fixed.flair).dataobj),
    )


def test_a_scan_that_ends_below_the_brain_is_found_by_the_top_of_the_head(fixed, moving):
    """The lower third is missing, so the centres of the two brains lie centimetres apart."""
    cut = [nib.Nifti1Image(np.asarray(i.dataobj)[:, :, 10:], i.affine @ _up(10)) for i in
           (moving.flair, moving.lesions, moving.brain)]  # fmt: skip
    found = register(cut[0], fixed.flair, moving_mask=cut[2], fixed_mask=fixed.brain)
    lesions = np.asarray(found.apply(cut[1], fixed.lesions, "nearest").dataobj) > 0
    truth = np.asarray(fixed.lesions.dataobj) > 0
    assert (lesions & truth).sum() / lesions.sum() > 0.7
    assert found.score > 0.85


def _up(slices: int) -> np.ndarray:
    shift = np.eye(4)
    shift[2, 3] = slices
    return shift


def test_what_lies_outside_the_moving_field_of_view_is_empty(fixed, moving):
    found = register(moving.flair, fixed.flair, moving_mask=moving.brain, fixed_mask=fixed.brain)
    far = nib.Nifti1Image(np.zeros((4, 4, 4)), np.array(AFFINE) + 500 * np.eye(4, k=3))
    assert not np.asarray(found.apply(moving.flair, far).dataobj).any()


def test_an_unknown_preset_is_named(fixed):
    with pytest.raises(SettingsError, match="no registration 'wobble'"):
        register(fixed.flair, fixed.flair, preset="wobble")


def test_an_empty_mask_gets_a_sentence(fixed):
    empty = nib.Nifti1Image(np.zeros(SHAPE, np.uint8), AFFINE)
    with pytest.raises(ImageError, match="empty"):
        register(fixed.flair, fixed.flair, moving_mask=empty, fixed_mask=empty)


def test_a_missing_package_is_named_with_the_way_to_get_it(fixed, monkeypatch):
    monkeypatch.setitem(sys.modules, "ants", None)
    with pytest.raises(MissingPackageError, match=r"pip install .*antspyx"):
        register(fixed.flair, fixed.flair)


def test_the_correlation_of_constant_values_is_not_a_number():
    assert np.isnan(correlation(np.ones(5), np.arange(5.0)))
    assert correlation(np.arange(5.0), -np.arange(5.0)) == pytest.approx(-1)
