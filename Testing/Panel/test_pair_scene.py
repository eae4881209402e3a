"""A comparison is shown in its own layout: in a scene that was loaded as before, and gone when it is over."""

from __future__ import annotations

import layout as layouts
import panel as harness
import pytest
import scene as scenes
import slicer
from MSLesionSegModule.jobs.job import Job
from MSLesionSegModule.views.layouts import PAIR_LAYOUT, PAIR_VIEWS
from pressing import choosing, press, save_and_load

from phantoms.comparison import compared

FOUR_UP = 3


def shown(scan: str, layer: str = "Background") -> set[str | None]:
    """Names of what the views of a scan show in a layer."""
    names = set()
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if composite.GetLayoutName() in PAIR_VIEWS[scan]:
            node = slicer.mrmlScene.GetNodeByID(getattr(composite, f"Get{layer}VolumeID")() or "")
            names.add(None if node is None else node.GetName())
    return names


@pytest.fixture
def layout(panel):
    """The window's layout, which is Slicer's own before the comparison."""
    manager = layouts.manager()
    manager.setLayout(FOUR_UP)
    return manager


@pytest.fixture
def pair(panel, layout, tmp_path):
    """The panel with a comparison under review."""
    _nodes, _files, result = compared(tmp_path)
    with choosing(result / "result.json"):
        panel.ui.openResultButton.click()
    assert layout.layout == PAIR_LAYOUT, panel.ui.messageLabel.text
    return panel


@pytest.fixture
def reopened(pair, layout, tmp_path):
    """The panel with the same comparison, after its scene was saved and loaded."""
    pair.ui.subtractionButton.click()
    save_and_load(tmp_path)
    harness.wait(lambda: not pair.showLater.active)
    return pair


def test_a_reopened_comparison_shows_both_scans_and_the_warnings_about_them(reopened, layout):
    assert sorted(layout.shown()) == sorted(name for names in PAIR_VIEWS.values() for name in names)
    assert shown("followup") == {"followup_FLAIR"}
    assert reopened.ui.remarksLabel.text == "The slices are too thick."
    assert "new-ms" in reopened.ui.logText.plainText


def test_the_exchange_key_works_in_a_reopened_comparison(reopened):
    press(reopened, "X")
    assert (shown("baseline"), shown("followup")) == ({"followup_FLAIR"}, {"baseline_FLAIR"})
    press(reopened, "X")
    assert (shown("baseline"), shown("followup")) == ({"baseline_FLAIR"}, {"followup_FLAIR"})


def test_the_subtraction_of_a_reopened_comparison_covers_the_followup_only(reopened):
    assert shown("followup", "Foreground") == {None}, "its button is not pressed"
    reopened.ui.subtractionButton.click()
    assert shown("followup", "Foreground") == {"followup_FLAIR subtraction"}
    assert shown("baseline", "Foreground") == {None}


def test_the_layout_leaves_with_the_module(reopened, layout):
    reopened.exit()
    assert layout.layout == FOUR_UP
    reopened.enter()
    assert layout.layout == PAIR_LAYOUT and shown("followup") == {"followup_FLAIR"}


@pytest.mark.parametrize("which", ["pair", "reopened"])
def test_the_layout_and_the_warnings_leave_with_the_scene(request, layout, which):
    panel = request.getfixturevalue(which)
    scenes.clear()
    assert layout.layout == FOUR_UP
    assert panel.ui.remarksLabel.text == ""


def test_a_scene_that_is_loaded_while_another_module_is_open_changes_no_view(pair, layout, tmp_path):
    pair.exit()
    pair.parent.isEntered = False
    save_and_load(tmp_path)
    assert not pair.showLater.active
    assert layout.layout == FOUR_UP
    pair.parent.isEntered = True
    pair.enter()
    assert layout.layout == PAIR_LAYOUT and shown("baseline") == {"baseline_FLAIR"}


def test_a_search_that_is_cancelled_leaves_the_warnings_about_the_scans_under_review(pair):
    job = Job(["version"], pair.logic.workFolder())
    pair.search.row.begin(job, "")
    assert pair.ui.segmentStageLabel.text == "Starting..."
    job.abandon()
    pair.search.row.end()
    assert pair.ui.segmentStageLabel.text == ""
    assert pair.ui.remarksLabel.text == "The slices are too thick."
