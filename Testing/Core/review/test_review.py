"""Review: what a person decided stays decided, whatever happens to the threshold."""

from __future__ import annotations

import csv
import json

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.lesions.components import LesionRule, find_lesions
from MSLesionSegLib.review.decisions import ACCEPTED, OPEN, REJECTED
from MSLesionSegLib.review.review import Review
from MSLesionSegLib.review.review_table import ORDERS, ordered, totals_by_state, write_rows

SHAPE = (40, 40, 20)
AFFINE = np.array([[-1.0, 0, 0, 20], [0, 1, 0, -20], [0, 0, 2, -20], [0, 0, 0, 1]])
SPOTS = ((10, 10, 10, 0.95, 4.0), (28, 28, 10, 0.8, 3.0), (28, 8, 8, 0.6, 3.0), (10, 30, 10, 0.3, 3.0))


def blob(x: int, y: int, z: int, peak: float, radius: float) -> np.ndarray:
    i, j, k = np.indices(SHAPE)
    distance = np.sqrt((i - x) ** 2 + (j - y) ** 2 + 4.0 * (k - z) ** 2)
    return (peak * np.clip(1.5 - distance / radius, 0, 1)).astype(np.float32)


@pytest.fixture
def probability() -> nib.Nifti1Image:
    return nib.Nifti1Image(np.max([blob(*spot) for spot in SPOTS], axis=0), AFFINE)


@pytest.fixture
def review(probability) -> Review:
    return Review(probability, LesionRule(0.5))


def ras(voxel: tuple[int, ...]) -> np.ndarray:
    return nib.affines.apply_affine(AFFINE, voxel)


def decision_at(review: Review, voxel: tuple[int, int, int]) -> str:
    (row,) = (row for row in review.rows if row.lesion.id == review.number_at(voxel))
    return row.decision


def test_begins_with_what_the_rule_finds(review, probability):
    labels, count = find_lesions(np.asarray(probability.dataobj), LesionRule(0.5), 2.0)
    assert np.array_equal(review.labels, labels)
    assert len(review.rows) == count == 3
    assert review.progress == (0, 3)
    assert not review.edited


def test_the_rows_can_be_made_a_lesion_at_a_time(review, probability):
    whole = Review(probability, LesionRule(0.5)).rows
    steps = sum(1 for _ in review.describe())
    assert steps >= len(whole)
    assert review.rows == whole
    assert list(review.describe()) == []


def test_rows_that_are_asked_for_in_between_are_complete_and_those_of_now(review):
    halfway = review.describe()
    next(halfway)
    review.set_rule(LesionRule(0.2))
    assert len(review.rows) == 4
    list(halfway)
    assert len(review.rows) == 4


def test_a_mask_that_was_found_by_more_than_the_map_counts_as_long_as_its_rule_does(probability):
    found = np.zeros(SHAPE, bool)
    found[9:12, 9:12, 9:12] = True
    review = Review(probability, LesionRule(0.5), found=(LesionRule(0.5), found))
    assert np.array_equal(review.mask, found)
    assert not review.edited
    review.set_rule(LesionRule(0.4))
    assert np.array_equal(review.mask, Review(probability, LesionRule(0.4)).mask)
    review.set_rule(LesionRule(0.5))
    assert np.array_equal(review.mask, found)


def test_a_rejected_lesion_leaves_the_mask_and_stays_in_the_list(review):
    review.reject(review.number_at((28, 28, 10)))
    assert not review.mask[28, 28, 10]
    assert [row.decision for row in review.rows] == [OPEN, OPEN, REJECTED]
    assert review.progress == (1, 3)
    assert len(review.lesions) == 2


def test_a_rejected_lesion_does_not_come_back_with_a_lower_threshold(review):
    review.reject(review.number_at((28, 28, 10)))
    review.set_rule(LesionRule(0.2))
    assert not review.mask[22:34, 22:34].any()
    assert review.mask[10, 30, 10]


def beads(link: float) -> nib.Nifti1Image:
    """Two lesions in a row, of 5 and 8 mm3, and a voxel between them."""
    data = np.zeros((20, 12, 12), np.float32)
    data[3:8, 5, 5] = data[9:17, 5, 5] = 0.9
    data[8, 5, 5] = link
    return nib.Nifti1Image(data, np.eye(4))


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


def test_undo_takes_back_step_by_step(review):
    before = review.mask.copy()
    review.accept(1)
    review.reject(2)
    assert review.undo() and np.array_equal(review.mask, before)
    assert [row.decision for row in review.rows] == [ACCEPTED, OPEN, OPEN]
    assert review.undo() and review.progress == (0, 3)
    assert not review.undo()


def test_accepting_a_rejected_lesion_brings_it_back(review):
    before = review.mask.copy()
    review.reject(2)
    review.accept(2)
    assert np.array_equal(review.mask, before)
    assert decision_at(review, (28, 28, 10)) == ACCEPTED


def test_painted_and_erased_voxels_survive_another_threshold(review):
    mask = review.mask.copy()
    mask[2:4, 2:4, 2] = True
    mask[10, 10, 10] = False
    review.set_mask(mask)
    review.set_rule(LesionRule(0.3))
    assert review.mask[2:4, 2:4, 2].all()
    assert not review.mask[10, 10, 10]
    assert review.edited


def test_decisions_survive_another_threshold(review):
    review.accept(review.number_at((10, 10, 10)))
    review.set_rule(LesionRule(0.9))
    assert decision_at(review, (10, 10, 10)) == ACCEPTED


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


def test_painting_over_a_rejected_lesion_brings_back_only_what_was_painted(review):
    number = review.number_at((28, 28, 10))
    voxels = review.labels == number
    review.reject(number)
    mask = review.mask.copy()
    mask[28, 28, 10] = True
    review.set_mask(mask)
    assert np.count_nonzero(review.mask & voxels) == 1
    assert all(row.decision != REJECTED for row in review.rows)


def test_a_missed_lesion_grows_from_the_probability_map(review):
    number = review.grow(ras((11, 30, 10)))
    grown = review.labels == number
    assert np.array_equal(grown, blob(*SPOTS[3]) >= 0.15)
    assert decision_at(review, (10, 30, 10)) == ACCEPTED
    assert review.undo() and not review.mask[10, 30, 10]


def test_where_the_map_shows_nothing_a_small_ball_is_put(review):
    number = review.grow(ras((35, 18, 4)))
    volume = 2.0 * np.count_nonzero(review.labels == number)
    assert 14 <= volume <= 50


@pytest.mark.parametrize("size", [0.4, 0.7, 1.0, 3.0])
def test_the_ball_is_one_lesion_around_the_point_whatever_the_voxels_measure(size):
    affine = np.diag([size, size, size, 1.0])
    review = Review(nib.Nifti1Image(np.zeros((30, 30, 30), np.float32), affine), LesionRule(0.5))
    number = review.grow((15 * size,) * 3)
    assert [row.decision for row in review.rows] == [ACCEPTED]
    assert review.labels[15, 15, 15] == number


def test_a_lesion_cannot_grow_where_one_is_or_outside_the_scan(review):
    before = review.mask.copy()
    with pytest.raises(SettingsError, match="already"):
        review.grow(ras((10, 10, 10)))
    with pytest.raises(SettingsError, match="outside"):
        review.grow((500.0, 0.0, 0.0))
    assert np.array_equal(review.mask, before)
    assert not review.can_undo


def test_a_review_goes_on_from_its_mask_and_decisions(review, probability):
    review.accept(1)
    review.reject(2)
    review.grow(ras((10, 30, 10)))
    again = Review(probability, review.rule)
    again.restore(review.mask, review.decisions())
    assert np.array_equal(again.mask, review.mask)
    assert [(r.decision, r.voxel) for r in again.rows] == [(r.decision, r.voxel) for r in review.rows]


def test_restoring_leaves_out_decisions_on_lesions_that_are_gone(review, probability):
    again = Review(probability, LesionRule(0.9))
    again.restore(again.mask, {ACCEPTED: [[28, 28, 10], [999, 0, 0]], REJECTED: [[28, 8, 8]]})
    assert again.progress == (0, len(again.rows))


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


def test_a_spot_that_was_painted_apart_is_accepted_and_what_was_added_to_a_lesion_is_not(review):
    mask = review.mask.copy()
    mask[2:4, 2:4, 2] = True
    mask[14:16, 10, 10] = True
    review.set_mask(mask)
    assert decision_at(review, (2, 2, 2)) == ACCEPTED
    assert review.number_at((15, 10, 10)) == 1 and decision_at(review, (15, 10, 10)) == OPEN
    assert review.progress == (1, 4)
    review.undo()
    assert review.progress == (0, 3)


def test_a_painted_spot_stays_accepted_while_it_is_shaped(review):
    for voxels, value in (((2, 2, 2), True), ((3, 2, 2), True), ((2, 2, 2), False)):
        mask = review.mask.copy()
        mask[voxels] = value
        review.set_mask(mask)
    assert decision_at(review, (3, 2, 2)) == ACCEPTED
    assert review.number_at((3, 2, 2)) == 4


def test_painting_over_a_rejected_lesion_accepts_what_was_painted_under_its_number(review):
    review.reject(2)
    mask = review.mask.copy()
    mask[30:32, 28, 10] = True
    review.set_mask(mask)
    assert [(row.lesion.id, row.decision) for row in review.rows] == [(1, OPEN), (2, ACCEPTED), (3, OPEN)]


def test_rows_are_ordered_as_asked(review):
    certain = [row.lesion.mean_probability for row in ordered(review.rows, ORDERS[0])]
    assert certain == sorted(certain)
    sizes = [row.lesion.volume_mm3 for row in ordered(review.rows, ORDERS[2])]
    assert sizes == sorted(sizes, reverse=True)
    with pytest.raises(SettingsError, match="order"):
        ordered(review.rows, "by colour")


def test_states_come_from_their_label_image(probability):
    states = np.zeros(SHAPE, np.uint8)
    states[20:, 20:] = 2
    review = Review(probability, LesionRule(0.5), states=({2: "stable"}, states), default_state="new")
    assert [row.state for row in ordered(review.rows, ORDERS[1])] == ["new", "new", "stable"]
    totals = totals_by_state(review.rows)
    assert totals["new"]["lesions"] == 2
    assert totals["stable"]["volume_mm3"] == 2.0 * np.count_nonzero(review.mask[20:, 20:])


def test_an_empty_map_has_nothing_to_review():
    review = Review(nib.Nifti1Image(np.zeros(SHAPE, np.float32), AFFINE), LesionRule(0.5))
    assert review.rows == () and review.progress == (0, 0)


def test_the_saved_table_has_the_rows_in_their_order_with_decisions(review, tmp_path):
    review.reject(review.number_at((28, 28, 10)))
    rows = ordered(review.rows, ORDERS[2])
    write_rows(rows, tmp_path / "lesions.csv")
    with (tmp_path / "lesions.csv").open(encoding="utf-8") as stream:
        saved = list(csv.DictReader(stream))
    assert [int(row["number"]) for row in saved] == [row.lesion.id for row in rows]
    assert [row["decision"] for row in saved] == [row.decision for row in rows]
    assert float(saved[0]["volume_mm3"]) == pytest.approx(rows[0].lesion.volume_mm3, abs=0.01)
