"""Synthetic enhancement: foci in white matter, rings, vessels and decoys that are no lesions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from MSLesionSegLib.synthesis.gadolinium_enhancement import (
    ENHANCEMENTS,
    enhance_normally,
    insert_decoys,
    insert_foci,
    insert_vessels,
)
from MSLesionSegLib.training.patches.enhancing_pairs import enhancing_insertion, unlike

EDGE = 48


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A ball of white matter in a shell of grey matter, with a ventricle; both scans alike."""
    grid = np.indices((EDGE,) * 3) - (EDGE - 1) / 2
    radius = np.sqrt((grid**2).sum(0))
    pre = np.select([radius < 4, radius < 16, radius < 21], [-2.5, 0.8, -0.4], 0.0).astype(np.float32)
    return pre, pre.copy()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("disease", ENHANCEMENTS)
def test_foci_are_brighter_only_after_gadolinium_and_lie_in_the_brain(pair, disease):
    pre, post = pair
    new_pre, new_post, mask = insert_foci(pre, post, np.zeros_like(pre), 3, rng(), disease)
    inside = mask > 0.5
    assert inside.any()
    assert not inside[pre == 0].any()
    assert (new_post - new_pre)[inside].min() > 0.3
    assert (new_pre - pre).max() <= 1e-6  # never brighter before gadolinium
    untouched = ndimage.binary_dilation(new_post != post, iterations=1)
    np.testing.assert_array_equal(new_post[~untouched], post[~untouched])
    np.testing.assert_array_equal(pre, pair[0])


def test_ms_foci_measure_three_to_ten_millimetres_and_start_in_white_matter(pair):
    pre, post = pair
    for seed in range(12):
        _, _, mask = insert_foci(pre, post, np.zeros_like(pre), 1, rng(seed))
        extent = [np.ptp(axis) + 1 for axis in np.nonzero(mask > 0.5)]
        assert 2 <= max(extent) <= 16  # the mean diameter is 3 to 10 mm, the long axis up to 1.7 times that
        centre = tuple(round(v) for v in ndimage.center_of_mass(ndimage.binary_fill_holes(mask > 0.5)))
        assert pre[centre] > -1


def test_some_foci_are_rings(pair):
    pre, post = pair
    hollow = 0
    for seed in range(30):
        _, _, mask = insert_foci(pre, post, np.zeros_like(pre), 1, rng(seed))
        ring = mask > 0.5
        hollow += bool((ndimage.binary_fill_holes(ring) & ~ring).any())
    assert 2 <= hollow <= 20


def test_foci_keep_away_from_each_other_and_from_what_enhances(pair):
    pre, post = pair
    taken = np.zeros_like(pre)
    taken[30:36, 20:28, 20:28] = 1
    post = post + 4 * taken
    for seed in range(8):
        _, _, mask = insert_foci(pre, post, taken, 2, rng(seed))
        _, count = ndimage.label(mask > 0.5, np.ones((3, 3, 3)))
        assert count >= 2


def test_a_scan_without_a_place_stays_as_it_is():
    empty = np.zeros((20, 20, 20), np.float32)
    for volume in insert_foci(empty, empty, empty, 3, rng()):
        np.testing.assert_array_equal(volume, empty)
    for volume in insert_decoys(empty, empty, 3, rng()):
        np.testing.assert_array_equal(volume, empty)
    np.testing.assert_array_equal(insert_vessels(empty, empty, 5, rng()), empty)


def test_decoys_change_both_scans_alike(pair):
    pre, post = insert_decoys(*pair, 4, rng(2))
    assert np.abs(pre - pair[0]).max() > 0.3
    np.testing.assert_allclose(pre, post)


def test_vessels_are_thin_and_long_and_only_in_the_brain(pair):
    _, post = pair
    more = insert_vessels(post, post != 0, 9, rng(3)) - post
    vessel = more > 1
    assert vessel.any()
    assert more.min() >= 0
    assert not more[post == 0].any()
    assert ndimage.distance_transform_edt(vessel).max() <= 3
    assert max(np.ptp(axis) for axis in np.nonzero(vessel)) >= 8


def test_normal_enhancement_leaves_most_white_matter_alone_and_is_repeatable(pair):
    pre, _ = pair
    post = enhance_normally(pre, pre != 0, rng(1))
    changed = np.abs(post - pre) > 0.5
    assert changed[pre < 0].any()
    assert changed[pre > 0.5].mean() < 0.25
    assert not post[pre == 0].any()
    np.testing.assert_array_equal(post, enhance_normally(pre, pre != 0, rng(1)))


def test_two_scans_that_do_not_fit_keep_the_second_and_the_outside(pair):
    both = torch.from_numpy(np.stack(pair))
    for seed in range(4):
        changed = unlike(both, rng(seed))
        torch.testing.assert_close(changed[1], both[1])
        assert not changed[0][both[0] == 0].any()
        assert changed.shape == both.shape
        # less than a voxel is left after a rigid registration
        inside = both[0] != 0
        assert np.corrcoef(changed[0][inside], both[0][inside])[0, 1] > 0.8


def test_patches_hold_foci_of_the_wanted_disease_and_repeat_with_the_seed(pair):
    both, empty = torch.from_numpy(np.stack(pair)), torch.zeros(1, EDGE, EDGE, EDGE)
    insert = enhancing_insertion(other_pathology=0.0)
    images, labels = zip(*(insert(both, empty, rng(seed)) for seed in range(8)), strict=True)
    assert sum(bool((label > 0.5).any()) for label in labels) >= 5
    assert all(image.dtype == torch.float32 and image.shape == both.shape for image in images)
    again, label = insert(both, empty, rng(3))
    torch.testing.assert_close(again, images[3])
    torch.testing.assert_close(label, labels[3])
