"""The lesions of a review drawn one by one over its segments: current, accepted, possible and rejected ones."""

import slicer

from ..scene import volumes
from ..scene.segments import labelmapOf
from .overlay import addOverlay, draw

CURRENT_COLOUR = (0.0, 1.0, 1.0)
_LINES = {  # colour and opacity of the outline
    "current": (CURRENT_COLOUR, 1.0),
    "accepted": ((0.4, 0.4, 0.2), 1.0),
    "possible": ((0.9, 0.45, 0.9), 0.8),
    "rejected": ((0.75, 0.75, 0.75), 0.4),
}
_WIDTH = 3  # pixels: more than the segments below


class LesionMarks:
    """A segment for each lesion that is current, possible or decided upon. Open ones look as the segments do."""

    def __init__(self) -> None:
        self._node = None
        self._drawn: dict[int, object] = {}  # lesions by number, as they were drawn
        self._session = self._mask = None  # that the marks were drawn over

    def show(self, session, current: int | None) -> None:
        """Draw the lesions of a review, or of none; ``current``: number of the one that the person is at."""
        if session is not self._session or not self._inScene():
            self.clear()
            self._session = session
        if session is None:
            return
        looks = {row.lesion.id: (row, _lookOf(row, current)) for row in session.review.rows}
        wanted = {number: row for number, (row, look) in looks.items() if look is not None}
        if not wanted and self._node is None:
            return
        if self._node is None:
            self._node = addOverlay(_WIDTH)
        self._node.SetAndObserveTransformNodeID(session.volume.GetTransformNodeID())
        display = self._node.GetDisplayNode()
        with slicer.util.NodeModify(self._node), slicer.util.NodeModify(display):
            if session.review.mask is not self._mask:  # its segments, drawn anew, would lie over the marks
                self._node.GetSegmentation().RemoveAllSegments()
                self._drawn, self._mask = {}, session.review.mask
            for number in set(self._drawn) - set(looks):
                self._node.GetSegmentation().RemoveSegment(str(number))
                del self._drawn[number]
            for number in set(self._drawn) - set(wanted):
                display.SetSegmentVisibility(str(number), False)
            for number, row in wanted.items():
                if self._drawn.get(number) != row.lesion:
                    image = labelmapOf(*session.blockOf(number), session.volume)
                    draw(self._node, str(number), image)
                    self._drawn[number] = row.lesion
                self._colour(display, str(number), _LINES[looks[number][1]])
            display.SetVisibility(session.visible)

    def clear(self) -> None:
        """Take everything away that was drawn."""
        if self._inScene():
            volumes.remove(self._node)
        self._node, self._drawn, self._session, self._mask = None, {}, None, None

    def _inScene(self) -> bool:
        return self._node is not None and slicer.mrmlScene.IsNodePresent(self._node)

    def _colour(self, display, name: str, line) -> None:
        colour, opacity = line
        self._node.GetSegmentation().GetSegment(name).SetColor(*colour)
        display.SetSegmentVisibility(name, True)
        display.SetSegmentOpacity2DOutline(name, opacity)


def _lookOf(row, current: int | None) -> str | None:
    if row.lesion.id == current:
        return "current"
    return row.decision if row.decision in _LINES else None
