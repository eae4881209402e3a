"""What became of each lesion, and that ids stay."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from MSLesionSegLib.lesions.followup_table import count_followed, follow_table, write_followed
from MSLesionSegLib.lesions.lesion_states import (
    ENLARGED,
    NEW,
    SHRUNKEN,
    STABLE,
    STATES,
    VANISHED,
    track_lesions,
)

SHAPE = (40, 20, 20)


def cube(*corners: tuple[int, int]) -> np.ndarray:
    """A mask with cubes from x = start to stop, all of the same width in y and z."""
    mask = np.zeros(SHAPE, bool)
    for start, stop in corners:
        mask[start:stop, 5:9, 5:9] = True
    return mask


NOTHING = cube()


@pytest.mark.parametrize(
    "lesions, appeared, gone, state, before_mm3, after_mm3",
    [
        (cube((5, 9)), NOTHING, NOTHING, STABLE, 64, 64),
        (NOTHING, cube((5, 9)), NOTHING, NEW, 0, 64),
        (NOTHING, NOTHING, cube((5, 9)), VANISHED, 64, 0),
        (cube((5, 9)), cube((9, 11)), NOTHING, ENLARGED, 64, 96),
        (cube((5, 9)), NOTHING, cube((9, 11)), SHRUNKEN, 96, 64),
        # what moves grows on one side and shrinks on the other by the same
        (cube((5, 9)), cube((9, 10)), cube((4, 5)), STABLE, 80, 80),
        # the FLAIR lesion is all change
        (cube((5, 10)), cube((5, 10)), NOTHING, NEW, 0, 80),
    ],
)
def test_the_state_of_one_lesion(lesions, appeared, gone, state, before_mm3, after_mm3):
    tracked = track_lesions(lesions, appeared, gone)
    assert tracked.states == {1: state}
    assert tracked.before.sum() == before_mm3
    assert tracked.after.sum() == after_mm3
    assert tracked.counts() == {name: int(name == state) for name in STATES}


def test_a_rim_that_change_leaves_over_makes_no_new_lesion_an_enlarged_one():
    rim = np.zeros(SHAPE, bool)
    rim[5:9, 5:9, 9] = True  # 16 mm3 beside a change of 640 mm3
    change = np.zeros(SHAPE, bool)
    change[5:15, 1:9, 1:9] = True
    assert track_lesions(rim, change, NOTHING).states == {1: NEW}
    assert track_lesions(rim, NOTHING, change).states == {1: VANISHED}


def test_a_tiny_lesion_that_did_not_change_is_stable_whatever_the_minimum():
    dot = np.zeros(SHAPE, bool)
    dot[3, 3, 3] = True
    tracked = track_lesions(dot, NOTHING, NOTHING, minimum_mm3=50)
    assert tracked.states == {1: STABLE}
    assert tracked.before.sum() == tracked.after.sum() == 1


def test_a_swapped_pair_turns_new_into_vanished_and_enlarged_into_shrunken():
    lesions, appeared, gone = cube((1, 4), (30, 34)), cube((10, 14), (34, 36)), cube((20, 23))
    there = track_lesions(lesions, appeared, gone)
    back = track_lesions(lesions, gone, appeared)
    mirror = {NEW: VANISHED, VANISHED: NEW, ENLARGED: SHRUNKEN, SHRUNKEN: ENLARGED, STABLE: STABLE}
    assert {i: mirror[s] for i, s in there.states.items()} == back.states
    np.testing.assert_array_equal(there.before, back.after)
    assert sorted(there.states.values()) == sorted([STABLE, ENLARGED, NEW, VANISHED])


def test_ids_stay_the_same_over_three_visits():
    first = track_lesions(cube((1, 4), (10, 16)), cube((30, 33)), NOTHING)
    ids = {state: number for number, state in first.states.items()}
    visit_two = np.where(first.after, first.labels, 0)
    second = track_lesions(cube((1, 4), (10, 16), (30, 33)), cube((20, 25)), NOTHING, previous=visit_two)
    for number in first.states:
        np.testing.assert_array_equal(second.labels == number, first.labels == number)
    (new,) = [number for number, state in second.states.items() if state == NEW]
    assert new > max(first.states)
    assert second.states[ids[NEW]] == STABLE


def test_two_lesions_that_grew_together_keep_the_id_of_the_larger_one():
    previous = np.zeros(SHAPE, int)
    previous[cube((1, 4))], previous[cube((6, 14))] = 4, 7
    tracked = track_lesions(cube((1, 14)), NOTHING, NOTHING, previous=previous)
    assert list(tracked.states) == [7]


def test_one_lesion_that_fell_apart_keeps_its_id_once():
    previous = np.where(cube((1, 14)), 3, 0)
    tracked = track_lesions(cube((1, 4), (8, 14)), NOTHING, NOTHING, previous=previous)
    assert sorted(tracked.states) == [3, 4]
    assert (tracked.labels == 3).sum() > (tracked.labels == 4).sum()


def test_the_id_of_a_vanished_lesion_is_not_given_again():
    first = track_lesions(cube((1, 4)), NOTHING, cube((10, 12)))
    (gone,) = [number for number, state in first.states.items() if state == VANISHED]
    visit_two = np.where(first.after, first.labels, 0)
    quiet = track_lesions(cube((1, 4)), NOTHING, NOTHING, previous=visit_two, highest_id=first.highest_id)
    assert gone not in quiet.states
    third = track_lesions(
        cube((1, 4)), cube((30, 33)), NOTHING, previous=quiet.labels, highest_id=quiet.highest_id
    )
    (new,) = [number for number, state in third.states.items() if state == NEW]
    assert new > gone
    assert third.highest_id == new


def test_a_visit_without_any_lesion_has_no_ids_to_keep():
    tracked = track_lesions(NOTHING, NOTHING, NOTHING, previous=np.where(cube((1, 14)), 3, 0))
    assert tracked.states == {}
    assert not tracked.labels.any()


def test_the_table_tells_volumes_at_both_timepoints(tmp_path):
    tracked = track_lesions(cube((5, 9)), cube((9, 11), (20, 22)), cube((30, 31)))
    change = np.where(tracked.before ^ tracked.after, 0.8, 0.1)
    rows = follow_table(tracked, change, np.diag([2.0, 1.0, 1.0, 1.0]), None)
    by_state = {row.state: row for row in rows}
    assert by_state[ENLARGED].baseline_mm3 == 128
    assert by_state[ENLARGED].change_mm3 == 64
    assert by_state[NEW].baseline_mm3 == 0
    assert by_state[NEW].lesion.peak_probability == pytest.approx(0.8)

    counts = count_followed(rows)
    assert counts["states"] == {NEW: 1, ENLARGED: 1, STABLE: 0, SHRUNKEN: 0, VANISHED: 1}
    assert counts["baseline"] == {"lesions": 2, "volume_mm3": 160}
    assert counts["followup"] == {"lesions": 2, "volume_mm3": 256}
    assert counts["new_mm3"] == 64
    assert counts["vanished_mm3"] == 32
    assert counts["by_region"]["undetermined"] == counts["states"]

    write_followed(rows, tmp_path / "lesions.csv")
    with (tmp_path / "lesions.csv").open(newline="", encoding="utf-8") as stream:
        table = {row["state"]: row for row in csv.DictReader(stream)}
    assert table[ENLARGED]["change_percent"] == "50.0"
    assert table[NEW]["change_percent"] == ""
    assert [int(row["id"]) for row in table.values()] == [row.lesion.id for row in rows]
