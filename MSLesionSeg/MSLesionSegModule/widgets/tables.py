"""What the panel's tables have in common."""

import qt

_AROUND_PX = 2  # above and below the letters of a row, which a large screen or font makes higher
_FEWEST = 5


def prepare(table, titles) -> None:
    """Give a table its columns and low rows without numbers."""
    table.columnCount = len(titles)
    table.setHorizontalHeaderLabels(list(titles))
    table.verticalHeader().visible = False
    table.verticalHeader().minimumSectionSize = _rowHeight(table)  # some styles want more
    table.verticalHeader().defaultSectionSize = _rowHeight(table)


def stretch(table, column: int) -> None:
    """Let a column take the width that is left, so that nothing has to be scrolled sideways."""
    table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.Stretch)


def fit(table, column: int) -> None:
    """Let a column be as wide as what stands in it."""
    table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)


def showAtLeast(table, rows: int, less: int = 0) -> None:
    """Let a table be so high that this many rows are seen without scrolling, less some pixels for something else."""
    around = table.horizontalHeader().sizeHint.height() + 2 * table.frameWidth
    table.minimumHeight = around + max(rows * _rowHeight(table) - less, _FEWEST * _rowHeight(table))


def _rowHeight(table) -> int:
    return table.fontMetrics().height() + _AROUND_PX
