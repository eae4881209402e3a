"""How near the slice views look at a lesion: close, or the whole brain around it."""

from collections.abc import Sequence

import slicer

from .layouts import BEFORE

_FIELD_MM = 60.0  # shown around a small lesion
_MARGIN = 2.5  # of larger ones: times their length
_MARK = slicer.vtkMRMLCrosshairNode.ShowSmallBasic
_NO_MARK = slicer.vtkMRMLCrosshairNode.NoCrosshair
OWN_MARKS = (_MARK, _NO_MARK)


class Zoom:
    """Looks at one place after the other.

    From near nothing covers the lesion; in the whole brain a crosshair tells where it is.
    """

    def __init__(self) -> None:
        self._near = True
        self._at: tuple[Sequence[float], float] | None = None

    def lookAt(self, ras: Sequence[float], lengthMm: float) -> None:
        """Show a place (mm, RAS) with a lesion of this length."""
        self._at = ras, lengthMm
        self._look()

    def toggle(self) -> None:
        """Show the whole brain, or the lesion from near again."""
        self._near = not self._near
        self._look()

    def leave(self) -> None:
        """Show whole brains again, and forget the place."""
        if self._at is not None:
            _fit()
        self._at, self._near = None, True

    def _look(self) -> None:
        if self._at is None:
            _fit()
            return
        ras, lengthMm = self._at
        kind = slicer.vtkMRMLSliceNode
        if self._near:
            for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
                _setField(view, max(_FIELD_MM, _MARGIN * lengthMm))
        else:
            _fit()
        jump = kind.CenteredJumpSlice if self._near else kind.OffsetJumpSlice
        kind.JumpAllSlices(slicer.mrmlScene, *ras, jump)
        crosshair = crosshairNode()
        if crosshair is not None:
            crosshair.SetCrosshairRAS(*ras)
            if crosshair.GetAttribute(BEFORE) is None:
                crosshair.SetAttribute(BEFORE, str(crosshair.GetCrosshairMode()))
            elif crosshair.GetCrosshairMode() not in OWN_MARKS:
                return  # a person has chosen another one meanwhile
            crosshair.SetCrosshairMode(_NO_MARK if self._near else _MARK)


def crosshairNode():
    """The crosshair of the scene, or None."""
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")


def _setField(view, mm: float) -> None:
    """Let the shorter side of a view show so much."""
    width, height = view.GetDimensions()[:2]
    if width and height:
        scale = mm / min(width, height)
        view.SetFieldOfView(width * scale, height * scale, view.GetFieldOfView()[2])


def _fit() -> None:
    if slicer.app.layoutManager() is not None:
        slicer.app.layoutManager().resetSliceViews()
