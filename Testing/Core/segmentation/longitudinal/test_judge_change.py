"""From probabilities on two scans to the states of lesions."""

from __future__ import annotations

import numpy as np
import pytest

from MSLesionSegLib.imaging.subtraction import Subtraction
from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.segmentation.longitudinal.comparison import ChangeSettings, judge_change

PLACE = (slice(12, 18),) * 3
SETTINGS = ChangeSettings(rule=LesionRule(0.5, 3.0), flair_rule=LesionRule(0.7, minimum_peak=0.99))


def state(before: float, after: float, rise: float = 1.0) -> list[tuple[str, int]]:
    """State and voxels at follow-up of a place that the network of change marks, by what the FLAIR model gives it."""
    shape = (30, 30, 30)
    volumes = {name: np.zeros(shape, np.float32) for name in ("change", "before", "after", "followup")}
    for name, value in {"change": 0.95, "before": before, "after": after, "followup": rise}.items():
        volumes[name][PLACE] = value
    nothing = np.zeros(shape, np.float32)
    pair = Subtraction(nothing, volumes["followup"], np.ones(shape, bool), np.eye(4), 1.0, 1.0, 1.0, 3.0)
    tracked = judge_change(volumes["change"], nothing, volumes["before"], volumes["after"], pair, SETTINGS)
    sizes = {number: int(tracked.after[tracked.labels == number].sum()) for number in tracked.states}
    return [(state, sizes[number]) for number, state in tracked.states.items()]


def test_what_only_the_later_scan_shows_is_new():
    assert state(before=0.0, after=1.0) == [("new", 6**3)]


@pytest.mark.parametrize("before", [0.45, 0.6, 0.8, 0.985])
def test_what_both_scans_show_is_stable_and_listed_however_unsure_the_model_is_of_one(before):
    assert state(before=before, after=1.0) == [("stable", 6**3)]


def test_where_the_scans_differ_too_little_both_must_bear_a_lesion_out():
    assert state(before=0.6, after=1.0, rise=0.1) == []
    assert state(before=0.99, after=1.0, rise=0.1) == [("stable", 6**3)]
