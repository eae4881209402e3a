"""A comparison is shown in its own layout: in a scene that was loaded as before, and gone when it is over."""

from __future__ import annotations

import layout as layouts
import panel as harness
import pytest
import scene as scenes
import slicer
from MSLesionSegModule.jobs.job import Job
from MSLesionSegModule.views.layouts import PAIR
from pressing import choose_task, choosing, press, save_and_load, settle

from phantoms.comparison import compared

FOUR_UP = 3


def shown(scan: str, layer: str = "Background") -> set[str | None]:
    """Names of what the views of a scan show in a layer."""
    names = set()
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if composite.GetLayoutName() in PAIR.views[scan]:
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
    assert layout.layout == PAIR.number, panel.ui.messageLabel.text
    return panel


@pytest.fixture
def reopened(pair, layout, tmp_path):
    """The panel with the same comparison, after its scene was saved and loaded."""
    pair.ui.subtractionButton.click()
    save_and_load(tmp_path)
    harness.wait(lambda: not pair.showLater.active)
    return pair


def test_a_reopened_comparison_shows_both_scans_and_the_warnings_about_them(reopened, layout):
    assert sorted(layout.shown()) == sorted(name for names in PAIR.views.values() for name in names)
    assert shown("followup") == {"followup_FLAIR"}
    assert reopened.ui.remarksLabel.text == "The slices are too thick."
    assert "new-ms" in reopened.ui.logText.plainText


def test_the_exchange_key_works_in_a_reopened_comparison(reopened):
    press(reopened, "X")
    assert (shown("baseline"), shown("followup")) == ({"followup_FLAIR"}, {"baseline_FLAIR"})
    press(reopened, "X")
    assert (shown("baseline"), shown("followup")) == ({"baseline_FLAIR"}, {"followup_FLAIR"})


def headings(scan: str) -> set[str]:
    """What stands over the views of a scan."""
    views = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    return {view.GetLayoutLabel() for view in views if view.GetLayoutName() in PAIR.views[scan]}


def test_headings_name_what_is_shown_also_when_the_scans_are_exchanged_or_subtracted(pair):
    assert (headings("baseline"), headings("followup")) == ({"Baseline"}, {"Follow-up"})
    press(pair, "X")
    assert (headings("baseline"), headings("followup")) == ({"Follow-up"}, {"Baseline"})
    press(pair, "X")
    pair.ui.subtractionButton.click()
    assert (headings("baseline"), headings("followup")) == ({"Baseline"}, {"Subtraction"})
    pair.ui.subtractionButton.click()
    assert headings("followup") == {"Follow-up"}


def test_both_scans_have_one_window_which_follows_the_hand_on_either(pair):
    first, second = (
        slicer.mrmlScene.GetNodeByID(volume).GetDisplayNode()
        for volume in pair.review.session.volumeIds().values()
    )

    def of(display) -> tuple[float, float]:
        return display.GetWindowLevelMin(), display.GetWindowLevelMax()

    (low, high), (other, top) = of(first), of(second)
    first.SetWindowLevelMinMax(low + 0.2 * (high - low), high)
    assert of(second) == pytest.approx((other + 0.2 * (top - other), top))
    second.SetWindowLevelMinMax(other, other + 0.5 * (top - other))
    assert of(first) == pytest.approx((low, low + 0.5 * (high - low)))
    pair.exit()
    first.SetWindowLevelMinMax(low, high)
    assert of(second) == pytest.approx((other, other + 0.5 * (top - other))), "left alone in other modules"


def drawnEarlier() -> list:
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return [node for node in nodes if node.GetSegmentation().GetSegment("earlier") is not None]


@pytest.mark.parametrize("which", ["pair", "reopened"])
def test_the_lesions_of_the_baseline_are_outlined_where_the_registration_puts_them(request, which):
    panel = request.getfixturevalue(which)
    (outline,) = drawnEarlier()
    scan = panel.review.session.node.GetNodeReference("MSLesionSeg.Input.baseline")
    assert outline.GetTransformNodeID() == scan.GetTransformNodeID() is not None
    earlier = panel.review.session.node.GetNodeReference("MSLesionSeg.Earlier")
    drawn = slicer.util.arrayFromSegmentBinaryLabelmap(outline, "earlier", earlier) > 0
    assert drawn.any() and (drawn == (slicer.util.arrayFromVolume(earlier) > 0)).all()
    press(panel, "H")
    assert not outline.GetDisplayNode().GetVisibility()
    panel.exit()
    assert drawnEarlier() == []


def test_a_legend_tells_the_states_and_the_outline_of_before(pair):
    for title in ("New", "Enlarged", "Stable", "Shrunken", "Vanished", "Earlier"):
        assert f"&nbsp;{title}" in pair.ui.legendLabel.text
    assert not pair.ui.legendLabel.isHidden()


def test_the_subtraction_of_a_reopened_comparison_covers_the_followup_only(reopened):
    assert shown("followup", "Foreground") == {None}, "its button is not pressed"
    reopened.ui.subtractionButton.click()
    assert shown("followup", "Foreground") == {"followup_FLAIR subtraction"}
    assert shown("baseline", "Foreground") == {None}


def test_the_layout_leaves_with_the_module(reopened, layout):
    reopened.exit()
    assert layout.layout == FOUR_UP
    reopened.enter()
    assert layout.layout == PAIR.number and shown("followup") == {"followup_FLAIR"}


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
    assert layout.layout == PAIR.number and shown("baseline") == {"baseline_FLAIR"}


def test_a_search_that_is_cancelled_leaves_the_warnings_about_the_scans_under_review(pair):
    job = Job(["version"], pair.logic.workFolder())
    pair.search.row.begin(job, "")
    assert pair.ui.segmentStageLabel.text == "Starting..."
    job.abandon()
    pair.search.row.end()
    assert pair.ui.segmentStageLabel.text == ""
    assert pair.ui.remarksLabel.text == "The slices are too thick."


def test_another_task_hides_the_comparison_and_its_own_brings_it_back(pair, layout):
    node = pair.review.session.node
    press(pair, "A")
    choose_task(pair, "flair")
    settle(pair)
    assert pair.review.session is None and pair.ui.lesionTable.rowCount == 0
    assert not node.GetDisplayNode().GetVisibility()
    assert layout.layout == FOUR_UP
    pair.exit()
    pair.enter()
    assert pair.review.session is None
    choose_task(pair, "new")
    settle(pair)
    assert pair.review.session.node is node and pair.review.session.review.progress[0] == 1
    assert node.GetDisplayNode().GetVisibility()
    assert layout.layout == PAIR.number
