"""A lesion keeps its number, and no number is given twice."""

from __future__ import annotations

import json

import numpy as np
import pytest

from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.review.decisions import ACCEPTED, OPEN, REJECTED
from MSLesionSegLib.review.review import Review
from phantoms.review_phantom import SHAPE, SPOTS, beads, blob, decision_at, ras


def numbers_at(review: Review, *voxels: tuple[int, int, int]) -> list[int | None]:
    return [review.number_at(voxel) for voxel in voxels]


def test_rejecting_and_accepting_changes_no_number(review):
    places = [spot[:3] for spot in SPOTS[:3]]
    before = numbers_at(review, *places)
    assert before == [1, 2, 3]
    for step in (lambda: review.reject(1), lambda: review.reject(3), lambda: review.accept(1), review.undo):
        step()
        assert numbers_at(review, *places) == before
        assert {row.lesion.id for row in review.rows} == {1, 2, 3}


def test_a_lesion_that_comes_and_goes_with_the_threshold_keeps_its_number(review):
    review.reject(2)
    for threshold in (0.2, 0.65, 0.2, 0.5, 0.2):
        review.set_rule(LesionRule(threshold))
        known = numbers_at(review, *(spot[:3] for spot in SPOTS))
        assert known[:2] == [1, 2]
        if threshold == 0.2:
            assert known == [1, 2, 3, 4]


def test_lesions_that_join_have_the_lowest_number_and_part_again_with_their_own():
    review = Review(beads(0.4), LesionRule(0.5))
    first, second = numbers_at(review, (10, 5, 5), (4, 5, 5))
    assert [row.lesion.volume_mm3 for row in review.rows] == [pytest.approx(8), pytest.approx(5)]
    review.set_rule(LesionRule(0.3))
    assert [row.lesion.id for row in review.rows] == [min(first, second)]
    assert review.listed_as(max(first, second)) == min(first, second)
    review.set_rule(LesionRule(0.5))
    assert numbers_at(review, (10, 5, 5), (4, 5, 5)) == [first, second]


def test_what_is_erased_of_a_lesion_leaves_the_rest_its_number_and_decision(review):
    review.accept(2)
    mask = review.mask.copy()
    mask[26:29, 24:] = False
    review.set_mask(mask)
    assert decision_at(review, (30, 28, 10)) == ACCEPTED
    assert review.number_at((30, 28, 10)) == 2
    review.undo()
    assert numbers_at(review, *(spot[:3] for spot in SPOTS[:3])) == [1, 2, 3]


def test_of_a_lesion_that_is_parted_by_hand_the_larger_part_keeps_the_number():
    review = Review(beads(0.6), LesionRule(0.5))
    mask = review.mask.copy()
    mask[8, 5, 5] = False
    review.set_mask(mask)
    assert numbers_at(review, (10, 5, 5), (4, 5, 5)) == [1, 2]
    review.undo()
    assert [row.lesion.id for row in review.rows] == [1]


def test_a_new_lesion_gets_a_number_that_no_other_has_had(review):
    grown = review.grow(ras((35, 18, 4)))
    assert grown == 4
    review.undo()
    assert review.grow(ras((4, 20, 16))) == 5


@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_numbers_are_kept_with_the_mask(review, probability, threshold):
    review.grow(ras((35, 18, 4)))
    review.reject(1)
    review.set_rule(LesionRule(0.9))
    review.set_rule(LesionRule(threshold))
    rows = [(row.lesion.id, row.decision, row.voxel) for row in review.rows]
    again = Review(probability, review.rule)
    again.restore(review.mask, json.loads(json.dumps(review.decisions())))
    assert [(row.lesion.id, row.decision, row.voxel) for row in again.rows] == rows
    for each in (review, again):
        each.set_rule(LesionRule(0.3))
    assert [row.lesion.id for row in again.rows] == [row.lesion.id for row in review.rows]


def test_a_rejected_lesion_that_the_rule_does_not_find_stays_rejected_in_a_kept_review(review, probability):
    grown = review.grow(ras((35, 18, 4)))
    review.reject(grown)
    review.reject(2)
    review.set_rule(LesionRule(0.97))
    again = Review(probability, review.rule)
    again.restore(review.mask, json.loads(json.dumps(review.decisions())))
    assert [(row.lesion, row.decision) for row in again.rows] == [
        (row.lesion, row.decision) for row in review.rows
    ]
    for each in (review, again):
        each.set_rule(LesionRule(0.3))
    assert np.array_equal(again.mask, review.mask)
    assert not again.mask[28, 28, 10] and not again.mask[35, 18, 4]


def test_a_record_without_numbers_is_numbered_anew_with_the_rejected_ones_last(review, probability):
    review.accept(3)
    review.reject(1)
    record = {key: review.decisions()[key] for key in (ACCEPTED, REJECTED)}
    again = Review(probability, review.rule)
    again.restore(review.mask, record)
    assert [(row.lesion.id, row.decision) for row in again.rows] == [(1, OPEN), (2, ACCEPTED), (3, REJECTED)]


def test_the_numbers_of_a_results_table_are_taken_over(review):
    labels = np.zeros(SHAPE, np.uint8)
    for number, spot in zip((7, 31, 12), SPOTS, strict=False):
        labels[(review.labels > 0) & (blob(*spot[:3], 1.0, 8.0) > 0)] = number
    review.number_by(labels)
    assert numbers_at(review, *(spot[:3] for spot in SPOTS[:3])) == [7, 31, 12]
    assert review.grow(ras((35, 18, 4))) == 32
