"""The lesions of a review in 3D, inside a transparent brain."""

from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from ..scene import volumes
from ..scene.reviewSession import REGIONS
from ..scene.segments import CLASSES
from .lesionMarks import CURRENT_COLOUR
from .surfaceModel import addModel, surfaceOf

_REGION_COLOURS = {  # of Okabe and Ito's palette (2008)
    "periventricular": (0.90, 0.62, 0.00),
    "juxtacortical": (0.34, 0.71, 0.91),
    "infratentorial": (0.80, 0.47, 0.65),
    "deep white matter": (0.00, 0.62, 0.45),
    "undetermined": (0.60, 0.60, 0.60),
}
_BRAIN_COLOUR, _BRAIN_OPACITY = (0.85, 0.80, 0.75), 0.15
_BRAIN_STEP = 2  # voxels of 1 mm
_COLOUR = "colour"  # array of the model's cells
_ROUNDS, _BRAIN_ROUNDS = 10, 20


def colourOf(row, byState: bool) -> tuple[float, float, float]:
    """The colour of a lesion by its state, or by its region."""
    return CLASSES[row.state].colour if byState else _REGION_COLOURS[row.lesion.region]


@dataclass
class _Surface:
    lesion: object  # as it was drawn
    mesh: vtk.vtkPolyData


class LesionSurfaces:
    """A model of the lesions of the mask and of the current one, kept through decisions, and one of the brain."""

    def __init__(self) -> None:
        self._on = True
        self._forget()

    def toggle(self) -> None:
        """Draw surfaces from now on, or none."""
        self._on = not self._on

    def show(self, session, current: int | None) -> bool:
        """Draw the lesions of a review, or of none; ``current``: number of the one that the person is at.

        Returns whether they were drawn for the first time.
        """
        if session is not self._session or not self._inScene():
            self.clear()
            self._session = session
        if session is None or (self._node is None and not self._on):
            return False
        isNew = self._node is None
        if isNew:
            self._node, self._brain = addModel(session.volume), _addBrain(session)
        rows = [
            row
            for row in session.review.rows
            if row.decision in ("open", "accepted") or row.lesion.id == current
        ]
        if self._take(rows):
            self._append(rows)
        self._colour(rows, current)
        for node in (self._node, self._brain):
            if node is not None:
                node.GetDisplayNode().SetVisibility(self._on and session.visible)
        return isNew

    def numberAt(self, start, end) -> int | None:
        """The lesion that is met first on the way between two points of the world, mm RAS."""
        if self._node is None or not self._node.GetDisplayNode().GetVisibility() or not len(self._numbers):
            return None
        tree, cells = vtk.vtkOBBTree(), vtk.vtkIdList()
        tree.SetDataSet(self._node.GetPolyData())
        tree.BuildLocator()
        ends = (self._session.localPoint(point) for point in (start, end))
        tree.IntersectWithLine(*ends, vtk.vtkPoints(), cells)
        return int(self._numbers[cells.GetId(0)]) if cells.GetNumberOfIds() else None

    def bounds(self) -> tuple[float, ...]:
        """Of what is drawn, in the world: mm RAS, two for each axis."""
        bounds = [0.0] * 6
        (self._node if self._brain is None else self._brain).GetRASBounds(bounds)
        return tuple(bounds)

    def clear(self) -> None:
        """Take the surfaces away."""
        for node in (self._node, self._brain):
            if node is not None and slicer.mrmlScene.IsNodePresent(node):
                volumes.remove(node)
        self._forget()

    def _forget(self) -> None:
        self._session = self._node = self._brain = None
        self._surfaces: dict[int, _Surface] = {}
        self._drawn: list[int] = []
        self._numbers = np.zeros(0, int)  # of the lesion of each cell

    def _inScene(self) -> bool:
        return self._node is None or slicer.mrmlScene.IsNodePresent(self._node)

    def _take(self, rows) -> bool:
        """Make the surfaces of new and of changed lesions; True if the model must be made anew."""
        changed = [row.lesion.id for row in rows] != self._drawn
        for row in rows:
            number = row.lesion.id
            if number not in self._surfaces or self._surfaces[number].lesion != row.lesion:
                self._surfaces[number] = _Surface(row.lesion, _surface(self._session, number))
                changed = True
        return changed

    def _append(self, rows) -> None:
        self._drawn = [row.lesion.id for row in rows]
        meshes = [self._surfaces[number].mesh for number in self._drawn]
        self._numbers = np.repeat(self._drawn, [mesh.GetNumberOfCells() for mesh in meshes])
        together = vtk.vtkAppendPolyData()
        for mesh in meshes:
            together.AddInputData(mesh)
        if meshes:
            together.Update()
        self._node.SetAndObservePolyData(together.GetOutput())

    def _colour(self, rows, current: int | None) -> None:
        byState = self._session.task.compares
        colours = {
            row.lesion.id: CURRENT_COLOUR if row.lesion.id == current else colourOf(row, byState)
            for row in rows
        }
        table = np.zeros((max(colours, default=0) + 1, 3), np.uint8)
        for number, colour in colours.items():
            table[number] = np.round(255 * np.array(colour))
        array = numpy_to_vtk(table[self._numbers], deep=True)
        array.SetName(_COLOUR)
        data = self._node.GetPolyData().GetCellData()
        data.AddArray(array)
        display = self._node.GetDisplayNode()
        display.SetActiveScalar(_COLOUR, vtk.vtkAssignAttribute.CELL_DATA)
        display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseDirectMapping)
        display.SetScalarVisibility(True)
        self._node.GetPolyData().Modified()


def _surface(session, number: int) -> vtk.vtkPolyData:
    block, low = session.blockOf(number)
    affine = np.array(session.review.affine)
    affine[:3, 3] += affine[:3, :3] @ low
    return surfaceOf(block, affine, _ROUNDS)


def _addBrain(session):
    """The transparent brain, where the regions of the scan tell its shape; or None."""
    regions = session.node.GetNodeReference(REGIONS)
    if regions is None:
        return None
    node = addModel(session.volume)
    mask = volumes.voxelsOf(regions)[::_BRAIN_STEP, ::_BRAIN_STEP, ::_BRAIN_STEP] > 0
    affine = volumes.affineOf(regions) @ np.diag([_BRAIN_STEP] * 3 + [1])
    node.SetAndObservePolyData(surfaceOf(mask, affine, _BRAIN_ROUNDS))
    node.SetSelectable(False)
    display = node.GetDisplayNode()
    display.SetColor(*_BRAIN_COLOUR)
    display.SetOpacity(_BRAIN_OPACITY)
    return node
