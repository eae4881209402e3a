"""The views follow the task, and the person gets the own layout, links and crosshair back."""

from __future__ import annotations

from pathlib import Path

import layout as layouts
import pytest
import scene as harness
import slicer
from MSLesionSegModule.views import layouts as viewLayouts
from MSLesionSegModule.views.layouts import PAIR, THICK
from MSLesionSegModule.views.sliceViews import Views, pointedRAS

from phantoms.hospital import save_patient

FOUR_UP, CONVENTIONAL, ONE_RED = 3, 2, 6
NAMES = ("BaselineAxial", "BaselineSagittal", "FollowupAxial", "FollowupSagittal")


@pytest.fixture
def layout(scene, monkeypatch):
    """The layout manager of a window, in Slicer's own layout, and not knowing the pair's."""
    manager = layouts.manager()
    node = manager.layoutLogic().GetLayoutNode()
    manager.setLayout(FOUR_UP)
    if node.IsLayoutDescription(PAIR.number):
        node.SetLayoutDescription(PAIR.number, "")
    manager.fitted = 0
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: manager)
    return manager


@pytest.fixture
def pair(layout, tmp_path):
    """IDs of two scans in the scene."""
    ids = {}
    for name in ("baseline", "followup"):
        save_patient(tmp_path / f"{name}_FLAIR.nii.gz")
        ids[name] = harness.loadVolume(tmp_path / f"{name}_FLAIR.nii.gz").GetID()
    return ids


def shown(layer: str = "Background") -> dict[str, str | None]:
    return {
        node.GetLayoutName(): getattr(node, f"Get{layer}VolumeID")()
        for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    }


def links() -> list[bool]:
    nodes = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return [bool(node.GetLinkedControl()) for node in nodes if node.GetLayoutName() in NAMES]


def test_two_scans_are_shown_side_by_side_linked_and_fitted(layout, pair):
    views = Views()
    views.show("new", pair)
    assert layout.layout == PAIR.number and layout.fitted == 1
    assert [shown()[name] for name in NAMES] == [pair["baseline"]] * 2 + [pair["followup"]] * 2
    assert shown()["Red"] is None
    assert links() == [True] * 4
    views.restore()
    assert layout.layout == FOUR_UP
    assert links() == [False] * 4


def test_one_key_exchanges_the_scans_and_back(layout, pair):
    views = Views()
    assert not views.flicker()
    views.show("new", pair)
    assert views.flicker()
    assert [shown()[name] for name in NAMES] == [pair["followup"]] * 2 + [pair["baseline"]] * 2
    assert not views.flicker()
    assert [shown()[name] for name in NAMES] == [pair["baseline"]] * 2 + [pair["followup"]] * 2


def test_the_subtraction_lies_over_the_followup_only(layout, pair):
    views = Views()
    views.show("new", pair)
    views.overlay(pair["baseline"])
    assert [shown("Foreground")[name] for name in NAMES] == [None] * 2 + [pair["baseline"]] * 2
    views.overlay(None)
    assert set(shown("Foreground").values()) == {None}


def test_one_scan_is_shown_in_the_layout_that_the_person_has(layout, pair):
    views = Views()
    views.show("flair", {"flair": pair["baseline"]})
    assert layout.layout == FOUR_UP and layout.fitted == 0
    assert shown()["Red"] == pair["baseline"]


def test_in_the_whole_brain_a_small_crosshair_marks_the_lesion_until_the_person_leaves(layout):
    crosshair = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCrosshairMode(crosshair.NoCrosshair)
    views = Views()
    views.jumpTo((1.0, 2.0, 3.0), 5.0)
    assert crosshair.GetCrosshairMode() == crosshair.NoCrosshair, "nothing covers it from near"
    views.toggleZoom()
    views.jumpTo((4.0, 5.0, 6.0), 5.0)
    assert crosshair.GetCrosshairMode() == crosshair.ShowSmallBasic
    assert crosshair.GetCrosshairRAS() == (4.0, 5.0, 6.0)
    views.restore()
    assert crosshair.GetCrosshairMode() == crosshair.NoCrosshair


@pytest.mark.parametrize(("length", "field"), [(5.0, 60.0), (40.0, 100.0)])
def test_a_lesion_is_looked_at_from_near_and_the_whole_brain_is_a_key_away(layout, length, field):
    layout.setLayout(ONE_RED)
    view = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    view.SetDimensions(300, 200, 1)
    views = Views()
    views.jumpTo((1.0, 2.0, 3.0), length)
    assert view.GetFieldOfView()[:2] == pytest.approx((1.5 * field, field))
    fitted = layout.fitted
    views.toggleZoom()
    assert layout.fitted == fitted + 1
    views.toggleZoom()
    assert view.GetFieldOfView()[:2] == pytest.approx((1.5 * field, field))
    views.restore()
    assert layout.fitted == fitted + 2, "the person's views show whole brains again"


def test_the_mouse_points_before_the_crosshair(scene):
    crosshair = scene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCursorPositionInvalid()  # closing a scene leaves the mouse where it was
    crosshair.SetCrosshairRAS(1.0, 2.0, 3.0)
    assert pointedRAS() == (1.0, 2.0, 3.0)
    crosshair.SetCursorPositionRAS((4.0, 5.0, 6.0))
    assert pointedRAS() == (4.0, 5.0, 6.0)
    crosshair.SetCursorPositionInvalid()
    assert pointedRAS() == (1.0, 2.0, 3.0)


def test_a_layout_that_the_person_chose_meanwhile_stays(layout, pair):
    views = Views()
    views.show("new", pair)
    layout.setLayout(ONE_RED)
    views.restore()
    assert layout.layout == ONE_RED


def test_a_crosshair_that_the_person_chose_meanwhile_stays(layout):
    crosshair = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    views = Views()
    views.jumpTo((1.0, 2.0, 3.0), 5.0)
    crosshair.SetCrosshairMode(crosshair.ShowBasic)
    views.restore()
    assert crosshair.GetCrosshairMode() == crosshair.ShowBasic


def save(folder: Path) -> str:
    """Save the scene without its volumes; returns the file."""
    path = str(folder / "scene.mrml")
    slicer.mrmlScene.SetURL(path)
    assert slicer.mrmlScene.Commit(path)
    return path


def load(path: str) -> None:
    """Load a scene instead of the current one, as a person does."""
    slicer.mrmlScene.SetURL(path)
    slicer.mrmlScene.Connect()


def test_a_scene_that_was_saved_in_the_pair_s_layout_shows_its_views_again(layout, pair, tmp_path):
    Views().show("new", pair)
    file = save(tmp_path)
    layout.setLayout(CONVENTIONAL)
    load(file)
    assert layout.layout == PAIR.number
    assert sorted(layout.shown()) == sorted(NAMES)


def forgetful(manager) -> None:
    """As a Slicer that has not met the layout: its number is current, and nothing is shown."""
    node = manager.layoutLogic().GetLayoutNode()
    node.SetViewArrangement(PAIR.number)
    assert manager.layout == PAIR.number and manager.shown() == []


def test_what_the_layout_looks_like_is_told_also_when_a_scene_has_asked_for_it_before(layout):
    forgetful(layout)
    viewLayouts.describe()
    assert sorted(layout.shown()) == sorted(NAMES)


def test_a_pair_is_shown_where_its_layout_was_current_but_blank(layout, pair):
    forgetful(layout)
    Views().show("new", pair)
    assert sorted(layout.shown()) == sorted(NAMES)
    assert [shown()[name] for name in NAMES] == [pair["baseline"]] * 2 + [pair["followup"]] * 2


def test_the_layout_of_before_is_given_back_after_saving_and_loading(layout, pair, tmp_path):
    layout.setLayout(ONE_RED)
    Views().show("new", pair)
    file = save(tmp_path)
    slicer.mrmlScene.Clear()
    layout.setLayout(CONVENTIONAL)
    load(file)
    again = Views()
    again.show("new", pair)
    again.restore()
    assert layout.layout == ONE_RED


def test_the_pair_s_layout_is_never_taken_for_the_one_of_before(layout, pair):
    forgetful(layout)
    views = Views()
    views.show("new", pair)
    views.show("new", pair)
    views.restore()
    assert layout.layout == FOUR_UP


def test_the_crosshair_and_the_links_of_before_are_given_back_after_saving_and_loading(
    layout, pair, tmp_path
):
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    if crosshair is None:
        crosshair = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCrosshairMode(crosshair.NoCrosshair)
    views = Views()
    views.show("new", pair)
    views.jumpTo((1.0, 2.0, 3.0), 5.0)
    load(save(tmp_path))
    again = Views()
    again.jumpTo((4.0, 5.0, 6.0), 5.0)
    again.restore()
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    assert crosshair.GetCrosshairMode() == crosshair.NoCrosshair
    assert links() == [False] * 4


def test_without_a_window_a_pair_needs_no_layout(scene, pair, monkeypatch):
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: None)
    views = Views()
    views.show("new", pair)
    views.restore()


def flat(scan: str, thickness: float) -> None:
    """Give a scan of the scene slices of another thickness, in mm."""
    node = slicer.mrmlScene.GetNodeByID(scan)
    node.SetSpacing(*node.GetSpacing()[:2], thickness)


def test_thick_slices_are_shown_large_and_the_layout_of_before_comes_back(layout, pair):
    flat(pair["baseline"], 20.0)
    views = Views()
    views.show("flair", {"flair": pair["baseline"]})
    assert layout.layout == THICK.number and layout.fitted == 1
    assert sorted(layout.shown()) == ["Green", "Red", "Yellow"]
    assert shown()["Red"] == pair["baseline"]
    views.show("flair", {"flair": pair["followup"]})
    assert layout.layout == FOUR_UP and shown()["Red"] == pair["followup"]


def test_before_and_after_contrast_are_side_by_side_with_what_else_there_is(layout, pair):
    scans = {"pre": pair["baseline"], "post": pair["followup"]}
    views = Views()
    views.show("enhancing", scans)
    assert layout.shown() == ["ContrastPre", "ContrastPost"]
    assert [shown()[name] for name in layout.shown()] == [*scans.values()]
    assert views.flicker()
    assert [shown()[name] for name in layout.shown()] == [*reversed(scans.values())]
    views.show("enhancing", scans | {"subtraction": pair["baseline"], "flair": pair["followup"]})
    assert layout.shown() == ["ContrastPre", "ContrastPost", "ContrastSubtraction", "ContrastFlair"]
    views.restore()
    assert layout.layout == FOUR_UP
