"""The task table: its rows fit together, and reading it costs next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from MSLesionSegLib.cases import layout
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.tasks import TASKS, get_task


def test_a_comparison_is_registered_to_the_baseline_and_reviewed_on_the_follow_up():
    pair = get_task("new")
    assert (pair.reference, pair.reviewed_on, pair.grids) == (
        "baseline",
        "followup",
        ("baseline", "followup"),
    )
    assert pair.reviewed_file("mask") == "followup_mask"
    assert {name for name, task in TASKS.items() if task.compares} == {"new"}


@pytest.mark.parametrize("name", ["flair", "enhancing"])
def test_lesions_of_one_session_are_reviewed_where_they_were_found(name):
    task = get_task(name)
    assert task.grids == (task.reference,) and task.reviewed_file("mask") == "mask"


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_row_names_only_what_it_has(task):
    named = (task.reference, task.reviewed_on, *(task.before_after or ()), *filter(None, [task.confirmed_on]))
    assert set(named) <= set(task.names) and set(task.grids) <= set(task.required)
    assert set(task.reviewed_states) <= set(task.states)
    assert set(task.models.values()) <= set(TASKS)
    for scan in task.inputs:
        assert layout.IMAGE.fullmatch(layout.image_name("sub-a", "ses-01", scan.suffix))


def test_the_labels_of_masks_tell_the_tasks_apart():
    assert len({task.label for task in TASKS.values()}) == len(TASKS)


def test_an_unknown_task_is_refused_with_those_that_there_are():
    with pytest.raises(SettingsError, match="Known tasks: flair, new, enhancing"):
        get_task("cord")


def test_reading_the_table_loads_no_heavy_library():
    heavy = {"numpy", "torch", "monai", "nibabel", "scipy", "SimpleITK"}
    code = "import sys, MSLesionSegLib.tasks; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(told.stdout.split())
