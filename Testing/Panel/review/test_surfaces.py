"""Lesions are seen in 3D in the colour of their region, through all decisions, and a line of sight finds them."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from MSLesionSegModule.drawing.lesionMarks import CURRENT_COLOUR
from MSLesionSegModule.drawing.lesionSurfaces import LesionSurfaces, colourOf
from pressing import open_result, press

NAME = "MSLesionSeg surfaces"


@pytest.fixture
def found(panel, scan, result):
    """The review of the small patient."""
    open_result(panel, scan, result)
    return panel.review.session


@pytest.fixture
def surfaces(found):
    """Its lesions in 3D; the brain's regions are not known."""
    surfaces = LesionSurfaces()
    yield surfaces
    surfaces.clear()


def model():
    return slicer.mrmlScene.GetFirstNodeByName(NAME)


def colours() -> set[tuple[int, ...]]:
    array = model().GetPolyData().GetCellData().GetArray("colour")
    return {tuple(int(v) for v in array.GetTuple(i)) for i in range(array.GetNumberOfTuples())}


def through(session, number: int) -> tuple:
    """A line through the middle of a lesion, from far away."""
    points, _steps = session.voxelsInWorld(number)
    middle = points[np.argmin(np.linalg.norm(points - points.mean(axis=0), axis=1))]
    far = np.array([0, 0, 500.0])
    return middle - far, middle + far


def test_the_same_surfaces_stay_through_decisions_and_a_rejected_lesion_leaves_them(found, surfaces):
    assert surfaces.show(found, 1)
    first, cells = model(), model().GetPolyData().GetNumberOfCells()
    found.review.accept(1)
    found.show()
    assert not surfaces.show(found, 2)
    assert model() is first and first.GetPolyData().GetNumberOfCells() == cells
    found.review.reject(1)
    found.show()
    surfaces.show(found, 2)
    assert 0 < first.GetPolyData().GetNumberOfCells() < cells
    found.review.undo()
    surfaces.show(found, 2)
    assert first.GetPolyData().GetNumberOfCells() == cells
    assert first.GetDisplayNode().GetVisibility()


def test_the_current_lesion_has_the_colour_that_it_has_in_the_slices(found, surfaces):
    surfaces.show(found, 1)
    regions = {tuple(round(255 * part) for part in colourOf(row, False)) for row in found.review.rows}
    assert colours() == {tuple(round(255 * part) for part in CURRENT_COLOUR)} | regions


def test_a_line_of_sight_finds_the_lesion_whose_surface_it_meets(found, surfaces):
    surfaces.show(found, 1)
    for row in found.review.rows:
        assert surfaces.numberAt(*through(found, row.lesion.id)) == row.lesion.id
    assert surfaces.numberAt((500.0, 500.0, -500.0), (500.0, 500.0, 500.0)) is None


def test_surfaces_lie_where_the_scan_lies(found, surfaces):
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved.SetMatrixTransformToParent(
        slicer.util.vtkMatrixFromArray(np.array([[1, 0, 0, 40], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    )
    found.volume.SetAndObserveTransformNodeID(moved.GetID())
    surfaces.show(found, 1)
    assert surfaces.numberAt(*through(found, 2)) == 2


def test_hidden_surfaces_are_found_by_no_click(found, surfaces):
    surfaces.show(found, 1)
    surfaces.toggle()
    surfaces.show(found, 1)
    assert not model().GetDisplayNode().GetVisibility()
    assert surfaces.numberAt(*through(found, 1)) is None
    surfaces.toggle()
    found.hide()
    surfaces.show(found, 1)
    assert not model().GetDisplayNode().GetVisibility(), "the key that hides lesions hides all of them"
    found.unhide()
    surfaces.show(found, 1)
    assert surfaces.numberAt(*through(found, 1)) == 1


def test_surfaces_are_neither_saved_nor_listed_and_go_with_the_review(found, surfaces):
    surfaces.show(found, 1)
    assert model().GetHideFromEditors() and not model().GetSaveWithScene()
    surfaces.show(None, None)
    assert model() is None


def test_a_key_without_a_view_in_3d_does_no_harm(panel, found):
    press(panel, "L")
    assert model() is None
