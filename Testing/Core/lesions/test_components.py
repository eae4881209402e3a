from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.lesions.components import (
    LesionRule,
    bounding_box,
    find_lesions,
    label_components,
    smallest_voxel_count,
)


def test_the_largest_lesion_gets_number_one() -> None:
    mask = np.zeros((10, 10, 10), bool)
    mask[1, 1, 1] = True
    mask[5:8, 5:8, 5] = True
    mask[1:3, 8, 8] = True
    labels, count = label_components(mask)
    assert count == 3
    assert labels.dtype == np.int32
    assert (labels[6, 6, 5], labels[1, 8, 8], labels[1, 1, 1]) == (1, 2, 3)


def test_lesions_of_the_same_size_are_numbered_by_position() -> None:
    mask = np.zeros((6, 6, 6), bool)
    for voxel in [(5, 0, 0), (0, 5, 0), (0, 0, 5)]:
        mask[voxel] = True
    labels, _ = label_components(mask)
    assert (labels[0, 0, 5], labels[0, 5, 0], labels[5, 0, 0]) == (1, 2, 3)


@pytest.mark.parametrize(("connectivity", "expected"), [(6, 3), (18, 2), (26, 1)])
def test_connectivity_decides_whether_edges_and_corners_join(connectivity: int, expected: int) -> None:
    mask = np.zeros((5, 5, 5), bool)
    mask[1, 1, 1] = mask[2, 2, 1] = mask[3, 3, 2] = True  # an edge between the first two, then a corner
    assert label_components(mask, connectivity)[1] == expected


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_single_voxels_in_any_small_arrangement_are_lesions_of_their_own(connectivity: int) -> None:
    for shape in product(range(1, 7), repeat=3):
        mask = np.ones(shape, bool)
        mask[1::2] = mask[:, 1::2] = mask[:, :, 1::2] = False  # every second voxel along each axis
        labels, count = label_components(mask, connectivity)
        assert count == mask.sum()
        assert sorted(labels[mask]) == list(range(1, count + 1))


def test_an_empty_mask_has_no_lesions() -> None:
    labels, count = label_components(np.zeros((4, 5, 6), np.uint8))
    assert count == 0
    assert labels.shape == (4, 5, 6)
    assert not labels.any()


def test_memory_order_and_dtype_do_not_change_the_numbers() -> None:
    mask = np.random.default_rng(0).random((12, 13, 14)) > 0.9
    expected, _ = label_components(mask)
    for other in (np.asfortranarray(mask), mask.astype(np.float32) * 3, mask.astype(np.int64)):
        np.testing.assert_array_equal(label_components(other)[0], expected)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="connectivity"):
        label_components(np.ones((2, 2, 2)), 4)
    with pytest.raises(ValueError, match="three dimensions"):
        label_components(np.ones((2, 2)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), connectivity=st.sampled_from([6, 18, 26]), share=st.floats(0.02, 0.5))
def test_labels_partition_the_mask_by_decreasing_size(seed: int, connectivity: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((7, 8, 9)) < share
    labels, count = label_components(mask, connectivity)
    np.testing.assert_array_equal(labels > 0, mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    assert np.all(sizes > 0)
    assert np.all(np.diff(sizes) <= 0)


def test_a_lesion_of_exactly_the_minimum_volume_stays() -> None:
    mask = np.zeros((10, 10, 10), np.float32)
    mask[1:4, 1, 1] = 1  # 3 voxels
    mask[7:9, 7, 7] = 1  # 2 voxels

    def kept(minimum_mm3: float, voxel_mm3: float) -> int:
        return int((find_lesions(mask, LesionRule(minimum_mm3=minimum_mm3), voxel_mm3)[0] > 0).sum())

    assert kept(3.0, 1.0) == 3
    assert kept(2.0, 1.0) == 5
    assert kept(1.6, 0.5) == 0
    assert kept(6.0, 2.0) == 3
    assert kept(0.0, 1.0) == 5


def test_a_faint_lesion_goes_and_a_sure_one_keeps_its_faint_border() -> None:
    probability = np.zeros((9, 3, 3), np.float32)
    probability[0:4, 1, 1] = 0.6, 0.95, 0.6, 0.4
    probability[6:9, 1, 1] = 0.7
    labels, count = find_lesions(probability, LesionRule(threshold=0.5, minimum_peak=0.9), 1.0)
    assert count == 1
    np.testing.assert_array_equal(np.flatnonzero(labels[:, 1, 1]), [0, 1, 2])
    assert find_lesions(probability, LesionRule(minimum_peak=0.96), 1.0)[1] == 0


def test_dropped_lesions_leave_no_gap_in_the_numbers() -> None:
    probability = np.zeros((9, 3, 3), np.float32)
    probability[0:4, 1, 1] = 0.6  # largest, too faint
    probability[6:8, 1, 1] = 1.0
    labels, count = find_lesions(probability, LesionRule(minimum_peak=0.9), 1.0)
    assert (count, labels.max(), labels[6, 1, 1]) == (1, 1, 1)


def test_float32_spacing_does_not_push_a_lesion_below_the_minimum() -> None:
    spacing = np.float32([0.9, 0.9, 3.3])
    volume = float(np.prod(spacing, dtype=np.float32))
    assert smallest_voxel_count(volume, 3 * 0.9 * 0.9 * 3.3) == 3


def test_the_bounding_box_holds_the_mask_and_its_margin() -> None:
    mask = np.zeros((10, 10, 10), bool)
    mask[0, 4:6, 9] = True
    assert bounding_box(mask) == (slice(0, 1), slice(4, 6), slice(9, 10))
    assert bounding_box(mask, 2) == (slice(0, 3), slice(2, 8), slice(7, 10))
    assert bounding_box(np.zeros((3, 3, 3))) is None


def test_nothing_is_counted_from_values_that_are_no_numbers() -> None:
    probability = np.zeros((6, 6, 6), np.float32)
    probability[1:3, 1, 1] = 0.9
    assert find_lesions(probability, LesionRule(), 1.0)[1] == 1
    probability[5, 5, 5] = np.nan
    with pytest.raises(ImageError, match="not numbers"):
        find_lesions(probability, LesionRule(), 1.0)
    assert find_lesions(probability[:0], LesionRule(), 1.0)[1] == 0
