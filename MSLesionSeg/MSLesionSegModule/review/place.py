"""Where the person is in a review: the lesions in the order of the table, and the one that is looked at."""

from collections.abc import Callable

from ..widgets.signals import Signal


class Place:
    """The lesion that the person is at, and where they were before each step that can be undone.

    Attributes:
        session: the review session, or None.
        rows: its lesions in the order of the table.
        changed: signal: rows or the lesion are others.
        moved: signal: the lesion is to be shown in the views.
    """

    def __init__(self) -> None:
        self.session = None
        self.rows = []
        self.changed, self.moved = Signal(), Signal()
        self._order = None
        self._key, self._descending = None, True
        self._held = False
        self._current = None  # number of the lesion
        self._came = []

    @property
    def index(self) -> int | None:
        """Row of the table that the person is at."""
        if self._current is None or self.session is None:
            return None
        number = self.session.review.listed_as(self._current)
        return next((i for i, row in enumerate(self.rows) if row.lesion.id == number), None)

    @property
    def number(self) -> int | None:
        """The lesion's number as it is listed now."""
        return None if self.row is None else self.row.lesion.id

    @property
    def row(self):
        """The lesion that the person is at, with the decision on it; or None."""
        return None if self.index is None else self.rows[self.index]

    def turnTo(self, session) -> None:
        """Begin with another review, or with none."""
        self.session = session
        self.rows = []
        self._current = None
        self._came = []

    def sort(self, order) -> None:
        """Take the rows in another order."""
        if order is not self._order:
            self._order, self._key = order, None
            self.refresh()

    def sortBy(self, key: Callable) -> None:
        """Take the rows by a key of theirs, the largest first; a second time the smallest first."""
        self._descending = key is not self._key or not self._descending
        self._key = key
        self.refresh()

    def hold(self, held: bool) -> None:
        """Leave the rows where they are while a lesion is corrected, whatever becomes of its size and certainty."""
        if held is not self._held:
            self._held = held
            self.refresh()

    def refresh(self) -> None:
        """Take the rows as they are now."""
        self.rows = [] if self.session is None else self._ordered()
        self.changed.emit()

    def goTo(self, index: int) -> None:
        """Go to a row."""
        self._current = self.rows[index].lesion.id
        self.changed.emit()
        self.moved.emit()

    def step(self, by: int) -> None:
        """Go some rows on, or back; the table does not wrap."""
        if not self.rows:
            return
        first = 0 if by > 0 else len(self.rows) - 1
        index = first if self.index is None else min(max(self.index + by, 0), len(self.rows) - 1)
        self.goTo(index)

    def goToOpen(self) -> None:
        """Go to the first lesion that is not reviewed, if there is one."""
        index = next((i for i, row in enumerate(self.rows) if row.decision == "open"), None)
        if index is not None:
            self.goTo(index)

    def nextOpen(self, withPossible: bool) -> int | None:
        """Number of the lesion after this one that is not reviewed; from the end the table is begun again.

        ``withPossible``: when no other is left, that of a possible lesion.
        """
        index = -1 if self.index is None else self.index
        others = (*self.rows[index + 1 :], *self.rows[: max(index, 0)])
        wanted = ("open", "possible") if withPossible else ("open",)
        undecided = [row for decision in wanted for row in others if row.decision == decision]
        return undecided[0].lesion.id if undecided else None

    def remember(self) -> None:
        """A step is taken here that can be undone."""
        self._came.append(self._current)

    def put(self, number: int | None) -> None:
        """Go to a lesion by its number, or to none."""
        self._current = number
        self.refresh()
        self.moved.emit()

    def goBack(self) -> None:
        """A step was undone: go where it was taken; steps made outside the panel have no place."""
        before = self._current
        if self._came:
            self._current = self._came.pop()
        self.refresh()
        if self._current != before:
            self.moved.emit()

    def _ordered(self) -> list:
        if self._held:
            places = {row.lesion.id: index for index, row in enumerate(self.rows)}
            return sorted(self.session.review.rows, key=lambda row: places.get(row.lesion.id, len(places)))
        if self._key is not None:
            rows = sorted(self.session.review.rows, key=self._key, reverse=self._descending)
            return sorted(rows, key=lambda row: row.decision == "possible")  # they follow after the others
        from MSLesionSegLib.review.review_table import ORDERS, ordered

        return ordered(self.session.review.rows, ORDERS[0] if self._order is None else self._order.value)
