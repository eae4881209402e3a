"""The table of lesions: one row each, in the order that the person chose."""

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from .. import texts
from ..drawing.lesionSurfaces import colourOf
from ..scene.segments import stateTitle
from ..widgets import tables

_STATE, _REGION, _CERTAINTY = 1, 2, 5  # columns
_ROWS, _ROWS_OF_PAIR = 15, 10  # that are seen at once; pairs need room for more buttons and words

_KEYS = (  # of rows, by column: what a click on its header sorts by
    lambda row: -row.lesion.id,
    lambda row: row.state,
    lambda row: row.lesion.region,
    lambda row: row.lesion.volume_mm3,
    lambda row: row.lesion.longest_axis_mm,
    lambda row: row.lesion.certainty,
    lambda row: row.decision,
)


class LesionTable:
    """Shows rows of a review in a QTableWidget.

    Args:
        widget: the table.
        onSelected: called with a row, from 0, that a person chose; also again with the one that is selected.
        onSorted: called with a key of rows, when a person clicked the header of a column.
    """

    def __init__(
        self, widget, onSelected: Callable[[int], None], onSorted: Callable[[Callable], None]
    ) -> None:
        self._onSelected = onSelected
        self._widget = widget
        self._filling = False
        self._shown = []
        columns = {
            _("No."): _("Number of the lesion"),
            _("State"): _("How the lesion changed"),
            _("Region"): _("Where it lies"),
            _("mm3"): _("Volume in mm3"),
            _("mm"): _("Longest axis in mm"),
            _("p"): _("Mean probability"),
            _("Decision"): _("Your decision"),
        }
        tables.prepare(widget, columns)
        for column, tip in enumerate(columns.values()):
            widget.horizontalHeaderItem(column).setToolTip(tip)
        for column, width in {0: 34, _STATE: 62, 3: 48, 4: 40, 5: 40, 6: 68}.items():
            widget.setColumnWidth(column, width)
        tables.stretch(widget, _REGION)
        widget.itemSelectionChanged.connect(self._selected)
        widget.cellClicked.connect(lambda row, _column: onSelected(row))
        widget.horizontalHeader().sectionClicked.connect(lambda column: onSorted(_KEYS[column]))

    def fill(self, rows, current: int | None, withStates: bool, less: int) -> None:
        """Show reviewed lesions, with the row ``current`` selected.

        ``withStates``: how each has changed. ``less``: pixels of height that words above the table need.
        """
        self._filling = True
        try:
            self._widget.rowCount = len(rows)
            before, self._shown = self._shown, list(rows)
            for index, row in enumerate(rows):
                if index < len(before) and before[index] == row:
                    continue  # most lesions are as they were
                for column, item in enumerate(_items(row, withStates)):
                    self._widget.setItem(index, column, item)
            self._widget.setColumnHidden(_STATE, not withStates)
            self._tellCertainty(any(row.lesion.true_share is not None for row in rows))
            tables.showAtLeast(self._widget, _ROWS_OF_PAIR if withStates else _ROWS, less)
            if current is None:
                self._widget.clearSelection()
                self._widget.setCurrentCell(-1, -1)
            else:
                self._widget.selectRow(current)
        finally:
            self._filling = False

    def _tellCertainty(self, asShare: bool) -> None:
        """Say in the header what stands for certainty: how often a lesion like one is true, or the probability."""
        header = self._widget.horizontalHeaderItem(_CERTAINTY)
        header.setText(_("true") if asShare else _("p"))
        header.setToolTip(
            _("Of 100 lesions like this one, so many were true on scans that the model never saw")
            if asShare
            else _("Mean probability")
        )

    def _selected(self) -> None:
        row = self._widget.currentRow()
        if not self._filling and 0 <= row < self._widget.rowCount:
            self._onSelected(row)


def _certainty(lesion) -> str:
    if lesion.true_share is not None:
        return f"{100 * lesion.true_share:.0f} %"
    return "" if lesion.mean_probability is None else f"{lesion.mean_probability:.2f}"


def _items(row, withStates: bool) -> list:
    lesion = row.lesion
    cells = (
        str(lesion.id),
        stateTitle(row.state),
        texts.regionTitle(lesion.region),
        f"{lesion.volume_mm3:.0f}",
        f"{lesion.longest_axis_mm:.0f}",
        _certainty(lesion),
        texts.decisionTitle(row.decision),
    )
    items = [qt.QTableWidgetItem(text) for text in cells]
    items[_REGION].setToolTip(lesion.region_rule)
    colour = qt.QColor(*(round(255 * part) for part in colourOf(row, withStates)))  # as in 3D
    items[_STATE if withStates else _REGION].setData(qt.Qt.DecorationRole, colour)
    if row.decision == "rejected":
        for item in items:
            font = item.font()
            font.setStrikeOut(True)
            item.setFont(font)
    return items
