"""Scores during training as a plot: its axes are there from the start, with a sentence while it holds nothing."""

import math
from collections.abc import Mapping
from itertools import pairwise

import qt
from slicer.i18n import tr as _

from .gateTable import metricTitles

# of Okabe and Ito's palette (2008)
_COLOURS = {"dice": "#0072B2", "f1": "#D55E00", "sensitivity": "#009E73", "ppv": "#CC79A7"}
_PREFIX = "validation_"  # of the scores among the metrics of a training
_TICKS = (0.0, 0.5, 1.0)
_HEIGHT_LINES = 16  # of text
_MARK_PX = 3.0


class ScorePlot(qt.QWidget):
    """Grows with every score, all of them in [0, 1]. The newest numbers stand above the curves, in their colours."""

    def __init__(self) -> None:
        qt.QWidget.__init__(self)
        self._points: dict[str, list[tuple[float, float]]] = {}  # step and score, by metric
        self._kept: Mapping[str, float | None] = {}
        self._sentence = ""
        self.toolTip = _(
            "Scores on the cases that are kept for checking, while the model learns: higher is better."
        )
        self.minimumHeight = _HEIGHT_LINES * self.fontMetrics().height()
        self.begin()

    def begin(self, validation: bool = True) -> None:
        """Begin a new plot; ``validation``: whether there are cases to check the model with."""
        self._points, self._kept = {}, {}
        self._sentence = (
            _("Scores are drawn here during the training.")
            if validation
            else _("No case is kept for checking, so that there are no scores to draw.")
        )
        self.update()

    def add(self, name: str, step: float, value: float) -> None:
        """Add a point of one of the scores; other metrics are not drawn."""
        name = name.removeprefix(_PREFIX) if name.startswith(_PREFIX) else ""
        if name in _COLOURS:
            self._points.setdefault(name, []).append((step, value))
            self.update()

    def end(self, scores: Mapping[str, float | None]) -> None:
        """Let the numbers above the curves be those of the state that was kept, by metric."""
        self._kept = scores
        self.update()

    def numbers(self) -> list[str]:
        """The newest score of each kind, or that of the state that was kept, as it stands above the curves."""
        newest = {name: points[-1][1] for name, points in self._points.items()}
        shown = newest | {name: value for name, value in self._kept.items() if value is not None}
        return [
            _("{score} {metric}").format(score=f"{shown[name]:.2f}", metric=metricTitles()[name])
            for name in _COLOURS
            if name in self._points
        ]

    def paintEvent(self, _event) -> None:
        painter = qt.QPainter(self)
        painter.setRenderHint(qt.QPainter.Antialiasing)
        text = self.palette.color(qt.QPalette.WindowText)
        line = self.fontMetrics().height()
        top = len(_COLOURS) * line + line // 2
        area = qt.QRect(3 * line, top, self.width - 4 * line, self.height - top - 2 * line)
        self._drawAxes(painter, area, text, line)
        if not self._points:
            painter.drawText(area, qt.Qt.AlignCenter | qt.Qt.TextWordWrap, self._sentence)
        drawn = [name for name in _COLOURS if name in self._points]
        for index, (name, entry) in enumerate(zip(drawn, self.numbers(), strict=True)):
            colour = qt.QColor(_COLOURS[name])
            onDark = text.lightness() > colour.lightness()
            painter.setPen(qt.QPen(colour.lighter(150) if onDark else colour, 2))
            self._drawCurve(painter, area, self._points[name])
            self._drawEntry(painter, qt.QRect(0, index * line, self.width, line), entry, text)
        painter.end()

    def _lastStep(self) -> float:
        """Where the axis of steps ends: at a round number, so that it seldom moves."""
        last = max((step for points in self._points.values() for step, _value in points), default=0)
        unit = 10 ** max(math.floor(math.log10(max(last, 1))), 1)
        return max(math.ceil(last / unit), 1) * unit

    def _drawAxes(self, painter, area, colour, line: int) -> None:
        painter.setPen(colour)
        painter.drawRect(area)
        for tick in _TICKS:
            y = round(area.bottom() - tick * area.height())
            painter.drawLine(area.left() - 4, y, area.left(), y)
            label = qt.QRect(0, y - line // 2, area.left() - 8, line)
            painter.drawText(label, qt.Qt.AlignRight | qt.Qt.AlignVCenter, f"{tick:.1f}")
        below = qt.QRect(area.left(), area.bottom() + 4, area.width(), line)
        painter.drawText(below, qt.Qt.AlignLeft, "0")
        painter.drawText(below, qt.Qt.AlignHCenter, _("Step"))
        if self._points:
            painter.drawText(below, qt.Qt.AlignRight, f"{self._lastStep():.0f}")

    def _drawCurve(self, painter, area, points) -> None:
        last = self._lastStep()
        places = [
            qt.QPointF(area.left() + area.width() * step / last, area.bottom() - area.height() * value)
            for step, value in points
        ]
        for begin, end in pairwise(places):
            painter.drawLine(begin, end)
        for place in places:
            painter.drawEllipse(place, _MARK_PX, _MARK_PX)

    def _drawEntry(self, painter, cell, entry: str, colour) -> None:
        """A line in the pen's colour, and words in the colour of text."""
        middle = cell.center().y()
        painter.drawLine(cell.left() + 4, middle, cell.left() + 20, middle)
        painter.setPen(colour)
        painter.drawText(cell.adjusted(26, 0, 0, 0), qt.Qt.AlignLeft | qt.Qt.AlignVCenter, entry)
