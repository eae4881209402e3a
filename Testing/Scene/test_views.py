"""The views follow the task, and the person gets the own layout, links and crosshair back."""

from __future__ import annotations

import types
import xml.etree.ElementTree as ElementTree

import pytest
import scene as harness
import slicer
from hospital import save_patient
from MSLesionSegModule.views import PAIR_LAYOUT, Views, pointedRAS

NAMES = ("BaselineAxial", "BaselineSagittal", "FollowupAxial", "FollowupSagittal")


class LayoutManager:
    """Makes the views that a layout's description names, as Slicer's does."""

    def __init__(self):
        self.node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLayoutNode")
        self.layout = 3
        self.fitted = 0

    def layoutLogic(self):
        return types.SimpleNamespace(GetLayoutNode=lambda: self.node)

    def setLayout(self, layout):
        self.layout = layout
        if layout == PAIR_LAYOUT:
            for view in ElementTree.fromstring(self.node.GetLayoutDescription(layout)).iter("view"):
                add_view(view.get("singletontag"))

    def resetSliceViews(self):
        self.fitted += 1


def add_view(name: str) -> None:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", name)
    node.SetLayoutName(name)


@pytest.fixture
def layout(scene, monkeypatch):
    manager = LayoutManager()
    add_view("Red")
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
    assert layout.layout == PAIR_LAYOUT and layout.fitted == 1
    assert [shown()[name] for name in NAMES] == [pair["baseline"]] * 2 + [pair["followup"]] * 2
    assert shown()["Red"] is None
    assert links() == [True] * 4
    views.restore()
    assert layout.layout == 3
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
    assert layout.layout == 3 and layout.fitted == 0
    assert shown()["Red"] == pair["baseline"]


def test_a_small_crosshair_marks_the_lesion_until_the_person_leaves(layout):
    crosshair = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCrosshairMode(crosshair.NoCrosshair)
    views = Views()
    views.jumpTo((1.0, 2.0, 3.0))
    views.jumpTo((4.0, 5.0, 6.0))
    assert crosshair.GetCrosshairMode() == crosshair.ShowSmallIntersection
    assert crosshair.GetCrosshairRAS() == (4.0, 5.0, 6.0)
    views.restore()
    assert crosshair.GetCrosshairMode() == crosshair.NoCrosshair


def test_the_mouse_points_before_the_crosshair(scene):
    crosshair = scene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCrosshairRAS(1.0, 2.0, 3.0)
    assert pointedRAS() == (1.0, 2.0, 3.0)
    crosshair.SetCursorPositionRAS((4.0, 5.0, 6.0))
    assert pointedRAS() == (4.0, 5.0, 6.0)
    crosshair.SetCursorPositionInvalid()
    assert pointedRAS() == (1.0, 2.0, 3.0)


def test_a_layout_that_the_person_chose_meanwhile_stays(layout, pair):
    views = Views()
    views.show("new", pair)
    layout.setLayout(4)
    views.restore()
    assert layout.layout == 4


def test_a_crosshair_that_the_person_chose_meanwhile_stays(layout):
    crosshair = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    views = Views()
    views.jumpTo((1.0, 2.0, 3.0))
    crosshair.SetCrosshairMode(crosshair.ShowBasic)
    views.restore()
    assert crosshair.GetCrosshairMode() == crosshair.ShowBasic
