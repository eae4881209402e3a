"""Review: what a person decided stays decided, whatever happens to the threshold."""

from __future__ import annotations

import csv

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.lesions.components import LesionRule, find_lesions
from MSLesionSegLib.review.decisions import ACCEPTED, OPEN, REJECTED
from MSLesionSegLib.review.review import Review
from MSLesionSegLib.review.review_table import ORDERS, ordered, totals_by_state, write_rows
from phantoms.review_phantom import AFFINE, SHAPE, SPOTS, blob, decision_at, ras


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


@pytest.mark.parametrize("seed", range(4))
def test_after_an_acceptance_mask_and_rows_are_what_they_would_be_if_made_anew(review, seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        number = int(rng.choice([row.lesion.id for row in review.rows]))
        step = rng.choice(["accept", "accept", "reject", "undo", "rule"])
        if step == "rule":
            review.set_rule(LesionRule(float(rng.choice([0.15, 0.3, 0.5, 0.7]))))
        elif step == "undo":
            review.undo()
        else:
            getattr(review, step)(number)
        mask, rows, labels = review.mask, review.rows, review.labels
        review._compose()
        assert np.array_equal(review.mask, mask)
        assert np.array_equal(review.labels, labels)
        assert review.rows == rows


def test_the_voxels_of_a_lesion_are_all_that_have_its_number(review):
    review.set_rule(LesionRule(0.2))
    review.reject(1)
    for row in review.rows[:-1]:
        assert np.array_equal(review.voxels_of(row.lesion.id), np.argwhere(review.labels == row.lesion.id))
    assert len(review.voxels_of(1)) > 0
