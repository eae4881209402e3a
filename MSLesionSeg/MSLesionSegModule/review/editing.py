"""What is painted by hand, taken over before anything else changes the mask."""

import math

from ..widgets.timers import Steps
from .editor import EFFECTS, Editor
from .place import Place
from .strokes import Strokes
from .toolStrip import ToolStrip

_BRUSH_MM = (2.0, 8.0)  # at first: a third of the lesion's diameter, but not beyond these


class Editing:
    """Brings the segment editor to the lesion that the person is at, and strokes into the review.

    Args:
        ui: form of the review.
        place: where the person is.
        following: steps that bring the table up to the mask; they are finished before a stroke is taken.

    ``effectChanged``: signal, with the tool that is taken; empty: put away.
    """

    def __init__(self, ui, place: Place, following: Steps) -> None:
        self._place = place
        self._following = following
        self._editor = Editor(ui.segmentEditor)
        self._strip = ToolStrip(ui, self._editor)
        self._strokes = Strokes(self._painted)
        self.effectChanged = self._editor.effectChanged
        self.effectChanged.connect(lambda effect: place.hold(bool(effect)))

    def tools(self) -> dict:
        """What the keys of tools do, by key."""
        toggles = {
            str(number): lambda effect=effect: self._toggle(effect)
            for number, effect in enumerate(EFFECTS, start=1)
        }
        named = {"E": self.edit, "D": lambda: self.edit("Draw"), "S": lambda: self.edit("Erase")}
        return {"Esc": self.putAway, **named, **toggles}

    def turnTo(self, session) -> None:
        """Watch another review, or none; what was painted into earlier lesions stays in their segments."""
        self._strokes.watch(session)

    def resume(self, session) -> None:
        """Work on the lesions of a review, or on none."""
        self._editor.edit(session)

    def enter(self) -> None:
        """Let tools work in the views."""
        self._editor.enter()

    def exit(self) -> None:
        """Leave the views to others."""
        self.take()
        self._editor.exit()

    def edit(self, effect: str = "Paint") -> None:
        """Take a tool to correct the current lesion with."""
        self._following.finish()
        row = self._place.row
        if row is not None and not self._editor.effect:
            self._place.moved.emit()
            self._editor.work(row.state, _brushFor(row.lesion.volume_mm3))
        if row is not None:
            self._editor.take(effect)

    def putAway(self) -> None:
        """No tool in the hand."""
        self._editor.putAway()

    def take(self) -> None:
        """Take over what was painted since the table last followed; nothing else may change the mask before."""
        self._following.finish()
        self._strokes.take()

    def _toggle(self, effect: str) -> None:
        self.putAway() if self._editor.effect == effect else self.edit(effect)

    def _painted(self) -> None:
        self._following.finish()
        if self._place.session.takeEdits():
            self._place.remember()
        self._place.refresh()


def _brushFor(volumeMm3: float) -> float:
    diameter = (6.0 * volumeMm3 / math.pi) ** (1 / 3)
    return round(min(max(diameter / 3.0, _BRUSH_MM[0]), _BRUSH_MM[1]), 1)
