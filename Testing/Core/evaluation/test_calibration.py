"""What is told of voxels and lesions agrees with how often they were true, also on other patients."""

from __future__ import annotations

import numpy as np
import pytest

from MSLesionSegLib.evaluation.calibration import (
    JudgedLesion,
    fit_lesions,
    ranges_of,
    reliability_curve,
    shares_left_out,
    voxel_counts,
)
from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence
from MSLesionSegLib.lesions.table import Lesion

TRUTH = LesionConfidence(-3.0, 0.6, 0.5, {"periventricular": -0.5, "juxtacortical": 0.5})


def lesion(volume, peak, region):
    return Lesion(1, volume, 5.0, (0.0, 0.0, 0.0), region, None, peak, peak)


def judged_lesions(count, seed=0):
    rng = np.random.default_rng(seed)
    for k in range(count):
        one = lesion(
            10 ** rng.uniform(0, 3), rng.uniform(0.2, 1), rng.choice(["periventricular", "juxtacortical"])
        )
        share = TRUTH.true_share(one.volume_mm3, one.peak_probability, one.region)
        yield JudgedLesion(f"patient {k % 6}", one, bool(rng.random() < share))


def test_voxels_of_an_overconfident_map_are_told_as_often_as_they_are_lesion():
    rng = np.random.default_rng(0)
    probability = rng.random(200_000)
    reference = rng.random(200_000) < probability**2
    predicted, observed = reliability_curve(voxel_counts(probability, reference, 2.0))
    assert (np.diff(predicted) > 0).all() and (np.diff(observed) >= 0).all()
    np.testing.assert_allclose(observed, predicted**2, atol=0.03)


def test_what_was_observed_by_chance_alone_never_makes_a_surer_voxel_less_likely():
    counts = voxel_counts(np.array([0.3, 0.3, 0.4, 0.4]), np.array([True, True, False, False]), 1.0)
    assert reliability_curve(counts)[1].tolist() == [0.5, 0.5]


def test_the_share_of_true_lesions_is_found_again():
    found = fit_lesions(list(judged_lesions(3000)))
    for volume in (5.0, 50.0, 500.0):
        for peak in (0.3, 0.9):
            for region in TRUTH.by_region:
                wanted = TRUTH.true_share(volume, peak, region)
                assert found.true_share(volume, peak, region) == pytest.approx(wanted, abs=0.06)


def test_a_slope_is_never_negative_even_if_few_lesions_say_so():
    few = [
        JudgedLesion("a", lesion(volume, 0.9, "x"), true)
        for volume, true in ((5, True), (9, True), (900, False))
    ]
    found = fit_lesions(few)
    assert found.per_log_volume == 0 and found.per_logit_peak >= 0
    with pytest.raises(ValueError, match="true and false"):
        fit_lesions(few[:2])


def test_lesions_are_tried_by_what_other_patients_taught():
    judged = list(judged_lesions(600))
    told, true = shares_left_out(judged), np.array([each.true for each in judged])
    assert abs(told[told > 0.6].mean() - true[told > 0.6].mean()) < 0.1
    assert abs(told[told < 0.4].mean() - true[told < 0.4].mean()) < 0.1


def test_ranges_span_all_scans():
    assert ranges_of([{"a": 1.0, "b": 3.0}, {"a": 2.0, "b": -1.0}]) == {"a": (1.0, 2.0), "b": (-1.0, 3.0)}
