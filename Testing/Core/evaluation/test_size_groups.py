"""Sensitivity by lesion size: which lesions are missed shows where a mean hides it."""

from __future__ import annotations

import numpy as np
import pytest

from MSLesionSegLib.evaluation.bootstrap import resampled
from MSLesionSegLib.evaluation.metrics import MATCH_RULES, judge_lesions
from MSLesionSegLib.evaluation.size_groups import SIZE_NAMES, SizeGroup, size_groups, size_table

ANY = MATCH_RULES["any-overlap"]


def counted(prediction, reference, voxel_mm3=1.0):
    return {
        group.name: (group.lesions, group.found, group.false_positives)
        for group in size_groups(judge_lesions(prediction, reference, voxel_mm3, ANY), voxel_mm3)
    }


def test_lesions_are_counted_by_their_volume_in_mm3_and_false_ones_by_their_own():
    reference, prediction = np.zeros((40, 40, 40)), np.zeros((40, 40, 40))
    reference[2:6, 2:6, 2:6] = 1  # 64 voxels, found by one of them
    prediction[5:9, 5:9, 5:9] = 1
    reference[20:22, 20:22, 20:22] = 1  # 8 voxels, missed
    prediction[30:33, 30:33, 30:33] = 1  # 27 voxels, false
    at_one_mm = counted(prediction, reference)
    assert at_one_mm["30 to 100 mm3"] == (1, 1, 0)
    assert at_one_mm["below 10 mm3"] == (1, 0, 0)
    assert at_one_mm["10 to 30 mm3"] == (0, 0, 1)
    at_two_mm = counted(prediction, reference, voxel_mm3=8.0)
    assert at_two_mm["above 300 mm3"] == (1, 1, 0)
    assert at_two_mm["30 to 100 mm3"] == (1, 0, 0)
    assert at_two_mm["100 to 300 mm3"] == (0, 0, 1)


def test_a_lesion_of_exactly_a_limit_belongs_to_the_larger_group():
    reference = np.zeros((10, 10, 10))
    reference[0, 0, :10] = 1
    assert counted(reference, reference)["10 to 30 mm3"] == (1, 1, 0)


def test_the_table_pools_lesions_over_patients_and_resamples_patients():
    def patient(found, false):
        empty = [SizeGroup(name, 0, 0, 0) for name in SIZE_NAMES[:4]]
        return [*empty, SizeGroup(SIZE_NAMES[4], 4, found, false)]

    last = size_table([patient(4, 0), patient(2, 1), patient(3, 0)]).splitlines()[-1]
    assert last == "| above 300 mm3 | 12 | 9 | 75 % | 50 to 100 % | 0.82 | 0.3 |"


def test_a_size_without_lesions_has_no_sensitivity():
    nothing = [[SizeGroup(name, 0, 0, 2) for name in SIZE_NAMES]]
    assert "| below 10 mm3 | 0 | 0 | - | - | - | 2.0 |" in size_table(nothing)


def test_the_interval_holds_the_value_is_repeatable_and_wider_for_fewer_patients():
    rng = np.random.default_rng(3)
    many = rng.normal(0.7, 0.1, (60, 1))

    def mean(values):
        return values[..., 0].mean(-1)

    wide, narrow = resampled(mean, many[:10]), resampled(mean, many)
    assert wide == resampled(mean, many[:10])
    assert narrow.low < narrow.value < narrow.high
    assert narrow.high - narrow.low == pytest.approx(4 * 0.1 / np.sqrt(60), rel=0.3)
    assert wide.high - wide.low > narrow.high - narrow.low


def test_one_patient_has_no_interval():
    assert resampled(lambda v: v[..., 0].mean(-1), np.array([[0.5]])).low is None
