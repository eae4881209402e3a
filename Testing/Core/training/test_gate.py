"""The gate promotes what is not worse, refuses what is, and says when it cannot tell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MSLesionSegLib.cases.splits import SYNTHETIC_SITE
from MSLesionSegLib.evaluation.metrics import compare_masks
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import Model
from MSLesionSegLib.training.fine_tuning.promotion_gate import compare, decide, mirroring_remark, with_remarks
from MSLesionSegLib.training.fine_tuning.scores import Score


def case(f1: float | None, *, dice: float | None = None, site: str = "here", false: int = 0) -> Score:
    free = f1 is None
    return Score("case", site, free, None if free else (dice if dice is not None else f1), f1, f1, f1, false)


def scores(*values: float | None, **kwargs) -> list[Score]:
    return [case(value, **kwargs) for value in values]


def test_a_better_model_is_promoted_with_numbers_and_interval():
    verdict = decide(
        scores(0.4, 0.5, 0.6), scores(0.7, site="old"), scores(0.6, 0.6, 0.7), scores(0.7, site="old")
    )
    assert verdict.verdict == "promote"
    assert "0.63 instead of 0.50 on 3 validation cases" in verdict.sentence
    change = verdict.changes["f1"]
    assert change.low <= change.change <= change.high
    assert change.low == pytest.approx(0.1) and change.high == pytest.approx(0.2)


def test_an_equal_model_is_promoted():
    same = scores(0.4, 0.5, 0.6)
    assert decide(same, [], same, []).verdict == "promote"


def test_the_same_values_in_another_order_are_no_fall():
    rng = np.random.default_rng(0)
    for values in rng.random((300, 4)):
        old, new = scores(*values), scores(*rng.permutation(values))
        assert decide(old, [], new, []).verdict == "promote"
        free = [[case(None, false=number) for number in numbers] for numbers in ((0, 1, 5), (5, 0, 1))]
        assert decide([*old, *free[0]], [], [*new, *free[1]], []).verdict == "promote"


def test_a_fall_of_exactly_two_hundredths_is_not_more_than_that():
    old, new = (scores(0.5, 0.5, 0.5, dice=dice) for dice in (0.5, 0.48))
    here = scores(0.5, 0.5, 0.5)
    assert decide(old, [], new, []).verdict == "promote"
    before, after = (scores(dice, site="old") for dice in (0.5, 0.48))
    assert decide(here, before, here, after).verdict == "promote"


def test_a_lower_lesion_f1_at_this_site_is_refused():
    verdict = decide(scores(0.5, 0.5, 0.5), [], scores(0.5, 0.5, 0.4), [])
    assert verdict.verdict == "refuse" and "lesion F1 0.47 instead of 0.50" in verdict.sentence


def test_a_model_that_marks_the_whole_brain_is_refused_though_it_finds_every_lesion():
    label = np.zeros((30, 30, 30), bool)
    label[5:8, 5:8, 5:8] = label[20:24, 20:24, 20:24] = True
    found = compare_masks(np.ones_like(label), label, (1.0, 1.0, 1.0))
    assert found.f1 == 1.0  # one blob touches every lesion, and nothing is beside one
    whole = [case(found.f1, dice=found.dice)] * 3
    verdict = decide(scores(0.7, 0.7, 0.7), [], whole, [])
    assert verdict.verdict == "refuse"
    assert "of this site the Dice falls from 0.70 to 0.01, more than 0.02" in verdict.sentence
    few = decide(scores(0.7, 0.7), [], whole[:2], [])
    assert few.verdict == "undecided" and "Dice is 0.01 instead of 0.70" in few.sentence


def test_a_dice_that_falls_by_less_than_two_hundredths_is_forgiven_at_this_site_too():
    old, new = (scores(0.5, 0.5, 0.5, dice=dice) for dice in (0.7, 0.69))
    assert decide(old, [], new, []).verdict == "promote"


def test_an_earlier_site_that_loses_more_than_two_hundredths_is_named():
    here = scores(0.5, 0.5, 0.5), scores(0.9, 0.9, 0.9)
    before = [*scores(0.6, 0.7, site="milan"), *scores(0.5, site="rennes")]
    lost = [*scores(0.6, 0.7, site="milan"), *scores(0.47, site="rennes")]
    kept = [*scores(0.6, 0.7, site="milan"), *scores(0.49, site="rennes")]
    refused = decide(here[0], before, here[1], lost)
    assert refused.verdict == "refuse" and "rennes" in refused.sentence
    assert decide(here[0], before, here[1], kept).verdict == "promote"
    assert [entry.site for entry in refused.earlier_sites] == ["milan", "rennes"]


def test_more_marks_on_lesion_free_scans_are_refused():
    old = [*scores(0.5, 0.5, 0.5), case(None, false=1)]
    new = [*scores(0.9, 0.9, 0.9), case(None, false=3)]
    verdict = decide(old, [], new, [])
    assert verdict.verdict == "refuse" and "3.0 lesions per scan instead of 1.0" in verdict.sentence
    assert decide(old, [], [*scores(0.9, 0.9, 0.9), case(None, false=1)], []).verdict == "promote"


def test_synthetic_patients_may_move_but_not_collapse():
    here = scores(0.4, 0.5, 0.6), scores(0.6, 0.6, 0.7)
    old = scores(0.6, site=SYNTHETIC_SITE)
    moved = decide(here[0], old, here[1], scores(0.4, site=SYNTHETIC_SITE))
    assert moved.verdict == "promote" and "no earlier site was there to compare" in moved.sentence
    assert moved.earlier_sites[0].dice.change == pytest.approx(-0.2)  # it is told, though it does not decide
    collapsed = decide(here[0], old, here[1], scores(0.2, site=SYNTHETIC_SITE))
    assert collapsed.verdict == "refuse"
    assert "on 1 synthetic patient the Dice falls from 0.60 to 0.20" in collapsed.sentence


def test_lesion_free_scans_of_earlier_sites_count_as_well():
    old, new = scores(0.5, 0.5, 0.5), scores(0.9, 0.9, 0.9)
    verdict = decide(old, [case(None, site="old", false=0)], new, [case(None, site="old", false=2)])
    assert verdict.verdict == "refuse"


@pytest.mark.parametrize("cases", [0, 1, 2])
def test_below_three_validation_cases_it_does_not_decide(cases):
    verdict = decide(scores(*[0.1] * cases), [], scores(*[0.9] * cases), [])
    assert verdict.verdict == "undecided" and f"({cases}," in verdict.sentence


def test_too_few_validation_cases_do_not_hide_that_an_earlier_site_loses():
    verdict = decide(scores(0.1), scores(0.8, site="old"), scores(0.9), scores(0.5, site="old"))
    assert verdict.verdict == "refuse"


def test_validation_cases_without_any_lesion_leave_it_undecided():
    free = [case(None), case(None), case(None)]
    assert decide(free, [], free, []).verdict == "undecided"


def test_the_verdict_is_json_with_the_keys_that_front_ends_read():
    verdict = decide(
        scores(0.4, 0.5, 0.6), scores(0.7, site="old"), scores(0.6, 0.6, 0.7), scores(0.7, site="old")
    )
    content = json.loads(json.dumps(verdict.as_dict(), allow_nan=False))
    assert content["earlier_sites"][0] | {"low": None, "high": None} == {
        "site": "old",
        "dice_old": 0.7,
        "dice_new": 0.7,
        "change": 0.0,
        "low": None,
        "high": None,
        "cases": 1,
    }
    assert content["old"]["f1"] == pytest.approx(0.5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=8))
def test_what_is_promoted_never_has_a_lower_mean_f1(pairs):
    old, new = scores(*(a for a, _ in pairs)), scores(*(b for _, b in pairs))
    verdict = decide(old, [], new, [])
    assert (verdict.verdict == "promote") == (verdict.changes["f1"].change >= -1e-9)
    again = decide(old, [], new, [])
    assert again == verdict


def test_the_verdict_says_that_the_averaging_of_use_was_left_out():
    same = scores(0.4, 0.5, 0.6)
    verdict = decide(same, [], same, [])
    plain, mirrored = (
        Model(ModelCard("m", "flair", Architecture(), ("FLAIR",), mirroring=mirroring), None, Path())
        for mirroring in (False, True)
    )
    assert with_remarks(verdict, mirroring_remark(plain, plain)) == verdict
    assert with_remarks(verdict, mirroring_remark(plain, mirrored)).sentence.endswith(
        "without the averaging over mirrored inputs that they have in use."
    )


def test_a_metric_is_compared_where_both_models_have_it():
    change = compare(scores(0.5, None, 0.7), scores(0.6, 0.9, None), "f1")
    assert (change.old, change.new, change.cases, change.low) == (0.5, 0.6, 1, None)
    assert compare(scores(None), scores(None), "f1") is None
