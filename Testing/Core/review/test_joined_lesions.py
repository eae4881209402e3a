"""Lesions that join at another threshold keep what was decided about each."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.review.decisions import ACCEPTED, OPEN, REJECTED
from MSLesionSegLib.review.review import Review
from phantoms.review_phantom import AFFINE, beads, decision_at


def decided(review: Review) -> list[tuple[str, float]]:
    return [(row.decision, round(row.lesion.volume_mm3, 3)) for row in review.rows]


def test_rejecting_one_half_of_a_lesion_that_was_parted_by_hand_leaves_the_other():
    review = Review(beads(0.6), LesionRule(0.5))
    mask = review.mask.copy()
    mask[8, 5, 5] = False
    review.set_mask(mask)
    assert decided(review) == [(OPEN, 8), (OPEN, 5)]
    review.reject(2)
    assert decided(review) == [(OPEN, 8), (REJECTED, 5)]
    assert review.mask[9:17, 5, 5].all() and np.count_nonzero(review.mask) == 8
    assert review.undo() and np.array_equal(review.mask, mask)


def test_a_lower_threshold_that_joins_a_rejected_lesion_with_another_keeps_the_other():
    review = Review(beads(0.4), LesionRule(0.5))
    review.reject(2)
    review.set_rule(LesionRule(0.3))
    assert review.mask[9:17, 5, 5].all() and not review.mask[:8].any()
    assert [row.decision for row in review.rows] == [OPEN, REJECTED]
    review.set_rule(LesionRule(0.5))
    assert decided(review) == [(OPEN, 8), (REJECTED, 5)]
    assert review.undo() and decided(review) == [(OPEN, 8), (OPEN, 5)]


def confluent() -> nib.Nifti1Image:
    """A small and a large peak of 0.9 in one low field that reaches far around both."""
    i, j, k = np.indices((40, 30, 12))
    field = 0.35 * ((np.abs(i - 19) < 17) & (np.abs(j - 15) < 9) & (np.abs(k - 6) < 4))
    small = 0.9 * ((i - 6) ** 2 + (j - 15) ** 2 + (k - 6) ** 2 < 4)
    large = 0.9 * ((i - 26) ** 2 + (j - 15) ** 2 + (k - 6) ** 2 < 16)
    return nib.Nifti1Image(np.max([field, small, large], axis=0).astype(np.float32), np.diag([1, 1, 2, 1]))


def test_what_grows_around_a_rejected_lesion_goes_with_it_and_the_rest_with_the_other():
    review = Review(confluent(), LesionRule(0.5))
    review.reject(2)
    review.set_rule(LesionRule(0.3))
    assert not review.mask[:13].any()
    assert review.mask[20:35, 10:20, 4:9].all()
    assert len(review.lesions) == 1


def test_a_rejected_lesion_that_grows_alone_is_dropped_whole():
    data = np.asarray(beads(0.4).dataobj).copy()
    data[9:17] *= 0.45
    review = Review(nib.Nifti1Image(data, np.eye(4)), LesionRule(0.5))
    review.reject(1)
    review.set_rule(LesionRule(0.3))
    assert not review.mask.any()


def test_both_halves_of_a_joined_lesion_can_be_rejected_at_different_thresholds():
    review = Review(confluent(), LesionRule(0.5))
    review.reject(2)
    review.set_rule(LesionRule(0.3))
    review.reject(1)
    for threshold in (0.5, 0.3, 0.2, 0.9):
        review.set_rule(LesionRule(threshold))
        assert not review.mask.any()


def test_an_accepted_lesion_keeps_all_its_voxels_when_it_joins_a_rejected_one():
    data = np.asarray(confluent().dataobj).copy()
    data[14:24, 15, 6] = 0.6
    review = Review(nib.Nifti1Image(data, np.diag([1, 1, 2, 1])), LesionRule(0.65))
    review.reject(2)
    review.set_rule(LesionRule(0.5))
    review.accept(1)
    before = review.mask.copy()
    review.set_rule(LesionRule(0.3))
    assert review.mask[before].all()
    assert decision_at(review, (26, 15, 6)) == ACCEPTED and not review.mask[6, 15, 6]


def test_a_review_that_divided_a_joined_lesion_goes_on_the_same():
    for rejected in ((2,), (2, 1)):
        review = Review(confluent(), LesionRule(0.5))
        for number in rejected:
            review.reject(number)
        review.set_rule(LesionRule(0.3))
        again = Review(confluent(), review.rule)
        again.restore(review.mask, review.decisions())
        for threshold in (0.3, 0.5, 0.2):
            for each in (review, again):
                each.set_rule(LesionRule(threshold))
            assert np.array_equal(again.mask, review.mask)
            assert [(r.decision, r.voxel) for r in again.rows] == [(r.decision, r.voxel) for r in review.rows]


def test_a_review_of_a_lesion_that_was_parted_by_hand_goes_on_the_same():
    review = Review(beads(0.6), LesionRule(0.5))
    mask = review.mask.copy()
    mask[8, 5, 5] = False
    review.set_mask(mask)
    review.reject(2)
    again = Review(beads(0.6), review.rule)
    again.restore(review.mask, review.decisions())
    assert np.array_equal(again.mask, review.mask)
    assert [(r.decision, r.voxel) for r in again.rows] == [(r.decision, r.voxel) for r in review.rows]


def test_an_accepted_lesion_that_joins_a_rejected_one_stays(probability):
    data = np.asarray(probability.dataobj).copy()
    data[10:28, 10, 10] = np.maximum(data[10:28, 10, 10], 0.25)
    data[28, 10:28, 10] = np.maximum(data[28, 10:28, 10], 0.25)
    review = Review(nib.Nifti1Image(data, AFFINE), LesionRule(0.5))
    review.accept(review.number_at((10, 10, 10)))
    review.reject(review.number_at((28, 28, 10)))
    review.set_rule(LesionRule(0.2))
    assert review.mask[10, 10, 10]
    assert not review.mask[28, 28, 10]
