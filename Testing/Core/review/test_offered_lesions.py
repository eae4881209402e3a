"""Possible lesions are offered after the certain ones and never count unless a person says so."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.lesions.possible import MOST, possible_lesions
from MSLesionSegLib.review.decisions import ACCEPTED, OPEN, POSSIBLE, REJECTED
from MSLesionSegLib.review.review import Review
from MSLesionSegLib.review.review_table import ORDERS, ordered, totals_by_state
from phantoms.review_phantom import AFFINE, SHAPE, blob

CERTAIN, FAINT, FAINTER = (10, 10, 10), (28, 10, 10), (28, 28, 10)


@pytest.fixture
def probability() -> nib.Nifti1Image:
    spots = [blob(*CERTAIN, 0.9, 4.0), blob(*FAINT, 0.6, 3.0), blob(*FAINTER, 0.3, 3.0)]
    return nib.Nifti1Image(np.max(spots, axis=0), AFFINE)


def begin(probability) -> Review:
    values = np.asarray(probability.dataobj)
    possible = possible_lesions(values, values >= 0.7, voxel_volume_mm3=2.0)
    return Review(probability, LesionRule(0.7), possible=possible)


@pytest.fixture
def review(probability) -> Review:
    return begin(probability)


def decisions(review) -> list[str]:
    return [row.decision for row in review.rows]


def at(review, voxel) -> int:
    return review.number_at(voxel)


def test_they_are_ranked_by_their_peak_and_outlined_from_half_of_it(probability):
    values = np.asarray(probability.dataobj)
    labels = possible_lesions(values, values >= 0.7, voxel_volume_mm3=2.0)
    assert (labels[CERTAIN], labels[FAINT], labels[FAINTER]) == (0, 1, 2)
    assert values[labels == 1].min() >= values[FAINT] / 2
    assert values[labels == 2].min() >= 0.2


def test_what_touches_a_certain_lesion_is_part_of_its_surroundings_and_not_possible(probability):
    values = np.asarray(probability.dataobj)
    labels = possible_lesions(values, values >= 0.7, voxel_volume_mm3=2.0)
    assert not labels[(values >= 0.2) & (np.indices(SHAPE)[0] < 18)].any()


def test_no_more_than_a_person_has_time_for_are_offered_and_no_specks():
    values = np.zeros((60, 6, 6), np.float32)
    values[::4, 2, 2:4] = np.linspace(0.3, 0.6, 15)[:, None]
    assert possible_lesions(values, values > 0.7, voxel_volume_mm3=3.0).max() == MOST
    assert possible_lesions(values, values > 0.7, voxel_volume_mm3=1.0).max() == 0


def test_they_come_after_the_lesions_are_not_in_the_mask_and_do_not_count(review):
    assert decisions(review) == [OPEN, POSSIBLE, POSSIBLE]
    assert not review.mask[FAINT] and not review.edited
    assert len(review.lesions) == 1
    assert review.progress == (0, 1)
    assert totals_by_state(review.rows)["lesion"]["lesions"] == 1
    for order in ORDERS:
        assert [row.decision for row in ordered(review.rows, order)] == [OPEN, POSSIBLE, POSSIBLE]
    assert [row.lesion.id for row in review.rows] == [1, 2, 3]


def test_accepting_one_makes_it_a_lesion_and_undo_offers_it_again(review):
    before = review.mask.copy()
    review.accept(at(review, FAINT))
    assert review.mask[FAINT] and review.mask[CERTAIN]
    assert sorted(decisions(review)) == sorted([OPEN, ACCEPTED, POSSIBLE])
    assert review.progress == (1, 2)
    review.undo()
    assert np.array_equal(review.mask, before)
    assert decisions(review) == [OPEN, POSSIBLE, POSSIBLE]


def test_a_rejected_one_leaves_the_offer_and_no_lower_threshold_brings_it_in(review):
    number = at(review, FAINT)
    review.reject(number)
    assert decisions(review) == [OPEN, POSSIBLE, REJECTED]
    review.set_rule(LesionRule(0.5))
    assert not review.mask[FAINT]
    review.accept(number)
    assert review.mask[FAINT]


def test_one_that_another_threshold_takes_in_keeps_its_number_and_is_offered_no_more(review):
    number = at(review, FAINT)
    review.set_rule(LesionRule(0.5))
    assert decisions(review) == [OPEN, OPEN, POSSIBLE]
    assert at(review, FAINT) == number
    review.set_rule(LesionRule(0.7))
    assert decisions(review) == [OPEN, POSSIBLE, POSSIBLE]
    assert at(review, FAINT) == number


def test_one_that_is_painted_is_a_lesion_of_that_number(review):
    number = at(review, FAINTER)
    mask = review.mask.copy()
    mask[27:30, 27:30, 9:12] = True
    review.set_mask(mask)
    assert at(review, FAINTER) == number
    assert [row.decision for row in review.rows if row.lesion.id == number] == [ACCEPTED]


def test_one_that_a_rejected_lesion_took_along_is_offered_no_more(review, probability):
    certain, mask = at(review, CERTAIN), review.mask.copy()
    mask[10:29, 9:12, 9:12] = True
    review.set_mask(mask)
    review.reject(certain)
    assert sorted(decisions(review)) == [POSSIBLE, REJECTED]
    assert at(review, FAINT) == certain
    again = begin(probability)
    again.restore(review.mask, review.decisions())
    assert again.rows == review.rows


def test_a_spot_at_its_edge_does_not_take_it(review):
    row = next(row for row in review.rows if row.lesion.id == at(review, FAINT))
    voxels = sorted(review.voxels_of(row.lesion.id).tolist(), reverse=True)
    mask = review.mask.copy()
    mask[tuple(voxels[0])] = True
    review.set_mask(mask)
    assert review.possible_places.shape == (0, 3)
    mask[tuple(np.transpose(voxels[: len(voxels) // 2 + 1]))] = True
    review.set_mask(mask)
    np.testing.assert_allclose(review.possible_places, [nib.affines.apply_affine(AFFINE, row.voxel)])


def test_their_voxels_and_place_are_known(review):
    number = at(review, FAINT)
    voxels = review.voxels_of(number)
    assert FAINT in {tuple(voxel) for voxel in voxels.tolist()}
    row = next(row for row in review.rows if row.lesion.id == number)
    assert row.lesion.peak_probability == pytest.approx(0.6, abs=1e-3)


def test_decisions_about_them_are_kept_and_taken_back(review, probability):
    review.accept(at(review, FAINT))
    review.reject(at(review, FAINTER))
    again = begin(probability)
    again.restore(review.mask, review.decisions())
    assert [(row.lesion.id, row.decision) for row in again.rows] == [
        (row.lesion.id, row.decision) for row in review.rows
    ]
    assert np.array_equal(again.mask, review.mask)


def test_a_map_that_is_described_in_steps_lists_them_too(review, probability):
    list(review.describe())
    assert review.rows == begin(probability).rows
