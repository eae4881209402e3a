"""The panel's review: threshold, lesion table, decisions by button and key, and what is painted by hand."""

from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from ..parameters import onSliders
from ..timers import Steps, delayed
from ..views.inView import isInView
from ..views.sliceViews import pointedRAS
from .counts import showCounts
from .editor import EFFECTS, Editor
from .exportRow import ExportRow
from .keys import Keys
from .lesionTable import LesionTable
from .strokes import Strokes

_DRAG_MS = 30  # the mask follows a slider that is dragged this often, or as often as it can


class ReviewSection:
    """Maps the current review to widgets and widgets to decisions.

    Args:
        ui: widgets of the panel.
        views: slice views.
        say: shows a sentence to the person.

    ``beforeActing()`` is called before every key and button; it may bring another review, or none.
    """

    def __init__(self, ui, views, say) -> None:
        self.ui = ui
        self.session = None
        self.parameters = None
        self.beforeActing = lambda: None
        self._views = views
        self._say = say
        self.shown = []  # rows of the table
        self._current = None  # number of the lesion that the person is at
        self._came = []  # where the person was before each step that can be undone
        self._table = LesionTable(ui.lesionTable)
        self._table.onSelected = self._goTo
        self._editor = Editor(ui.segmentEditor)
        self._strokes = Strokes(self._takeStrokes)
        self._drag = delayed(_DRAG_MS, self._applyRule)
        self._following = Steps()  # of the table, after the mask
        self._order = None
        self._keys = Keys(self._actions())
        self._editor.onEffect = self._keys.giveWay
        self._exports = ExportRow(ui, self, say)
        self._connect()
        self.update()

    def setSession(self, session) -> None:
        """Show another review, or none."""
        self._following.stop()
        self._strokes.watch(session)  # what was painted into earlier lesions stays in their segments
        self.session = session
        self._current = None
        self._came = []
        self.ui.subtractionButton.checked = False
        self.resume()

    def resume(self) -> None:
        """Go on with the same review, such as when the module is entered again."""
        if self.session is not None and self.parameters is not None:
            # also of a result that came while the person was in another module
            rule = self.session.review.rule
            threshold, minimumMm3 = onSliders(rule.threshold, rule.minimum_mm3)
            self.parameters.threshold, self.parameters.minimumMm3 = threshold, minimumMm3
        self._editor.edit(self.session if self.parameters is not None else None)
        self.update()

    def parametersChanged(self) -> None:
        """React to threshold, minimum size and order."""
        if self._ruleMoved() and not self._drag.active:
            self._drag.start()
        if self.parameters is not None and self.parameters.order is not self._order:
            self.update()

    def enter(self, parent) -> None:
        """Listen to the review's keys and prepare the editor."""
        self._keys.listen(parent)
        self._editor.enter()

    def exit(self) -> None:
        """Leave the keys and the views to others; no effect stays active."""
        self._drag.stop()
        self._applyRule()
        self.takeEdits()
        self._keys.stop()
        self._editor.exit()

    def cleanup(self) -> None:
        self._drag.stop()
        self._following.stop()
        self._strokes.watch(None)

    def next(self, *_args) -> None:
        self._step(1)

    def previous(self, *_args) -> None:
        self._step(-1)

    def accept(self, *_args) -> None:
        self._decide("accepted")

    def reject(self, *_args) -> None:
        self._decide("rejected")

    def edit(self, *_args) -> None:
        """Open the editor with a brush on the current lesion's segment."""
        self._following.finish()
        row = self._row()
        if row is None:
            return
        self.ui.editorCollapsibleButton.collapsed = False
        self._jump()
        self._editor.takeBrush(row.state)

    def missed(self, *_args) -> None:
        """Mark the lesion where the mouse points, or else at the crosshair."""
        if self.session is None:
            return
        ras = pointedRAS()
        if ras is None:
            self._say(_("There is no crosshair in this scene."), error=True)
            return
        self.takeEdits()
        try:
            number = self.session.review.grow(self.session.localPoint(ras))
        except MSLesionSegError as error:
            self._say(str(error), error=True)
            return
        self._came.append(self._current)
        self._current = number
        self._show()
        self._jump()

    def undo(self, *_args) -> None:
        if self.session is None:
            return
        self.takeEdits()
        if self.session.review.undo():
            before = self._current
            if self._came:  # steps made outside the panel have no place
                self._current = self._came.pop()
            self._show()
            if self._current != before:
                self._jump()

    def takeEdits(self) -> None:
        """Take over what was painted since the table last followed; nothing else may change the mask before."""
        self._following.finish()
        self._strokes.take()

    def _takeStrokes(self) -> None:
        self._following.finish()
        if self.session.takeEdits():
            self._came.append(self._current)
        self.update()

    def toggleVisible(self, *_args) -> None:
        """Hide or show the lesions in all views."""
        if self.session is not None:
            display = self.session.node.GetDisplayNode()
            display.SetVisibility(not display.GetVisibility())
            self.update()

    def flicker(self, *_args) -> None:
        """Exchange baseline and follow-up in the views."""
        self._views.flicker()

    def showSubtraction(self, *_args) -> None:
        """Lay the subtraction over the follow-up, or take it away."""
        volume = self.session.subtraction() if self.ui.subtractionButton.checked else None
        self._views.overlay(volume.GetID() if volume is not None else None)

    def goToOpen(self) -> None:
        """Go to the first lesion of the table that is not reviewed, if there is one."""
        index = next((i for i, row in enumerate(self.shown) if row.decision == "open"), None)
        if index is not None:
            self._goTo(index)

    def update(self) -> None:
        """Show the state of the review in table, labels and buttons."""
        ui, found = self.ui, self.session
        self._order = None if self.parameters is None else self.parameters.order
        for slider in (ui.thresholdSlider, ui.minimumSlider):
            slider.enabled = found is not None
        review = None if found is None else found.review
        self.shown = self._ordered()
        self._table.fill(self.shown, self._index(), found is not None and found.record["task"] == "new")
        for button in (ui.nextButton, ui.previousButton):
            button.enabled = bool(self.shown)
        atLesion = self._row() is not None
        for button in (ui.acceptButton, ui.rejectButton, ui.editButton):
            button.enabled = atLesion
        for button in (ui.missedButton, ui.visibleButton, ui.copyButton, ui.saveTableButton):
            button.enabled = review is not None
        ui.undoButton.enabled = review is not None and review.can_undo
        ui.visibleButton.text = _("Hide (H)") if found is None or found.visible else _("Show (H)")
        isPair = found is not None and found.record["task"] == "new"
        ui.flickerButton.visible = ui.subtractionButton.visible = isPair
        ui.subtractionButton.enabled = isPair and found.subtraction() is not None
        showCounts(ui, review)

    def _ordered(self):
        if self.session is None:
            return []
        from MSLesionSegLib.review.review_table import ORDERS, ordered

        order = self._order.value if self._order is not None else ORDERS[0]
        return ordered(self.session.review.rows, order)

    def _actions(self):
        """What to call by the name of the key."""
        tools = {
            str(number): lambda effect=effect: self._editor.toggle(effect)
            for number, effect in enumerate(EFFECTS, start=1)
        }
        actions = {
            "N": self.next,
            "P": self.previous,
            "A": self.accept,
            "C": self.reject,
            "E": self.edit,
            "M": self.missed,
            "H": self.toggleVisible,
            "X": self.flicker,
            "U": self.undo,
            "Z": self.undo,
            "Esc": self._editor.putAway,
            **tools,
        }
        return {key: self._onDisplay(action) for key, action in actions.items()}

    def _connect(self) -> None:
        ui = self.ui
        for button, action in (
            (ui.nextButton, self.next),
            (ui.previousButton, self.previous),
            (ui.acceptButton, self.accept),
            (ui.rejectButton, self.reject),
            (ui.editButton, self.edit),
            (ui.missedButton, self.missed),
            (ui.undoButton, self.undo),
            (ui.visibleButton, self.toggleVisible),
            (ui.flickerButton, self.flicker),
            (ui.subtractionButton, self.showSubtraction),
        ):
            button.clicked.connect(self._onDisplay(action))

    def _onDisplay(self, action):
        """The action, taken on what the views show: a person may have turned to another scan just before."""

        def act(*_args) -> None:
            self.beforeActing()
            if self.session is not None:
                action()

        return act

    def _index(self):
        """Row of the table that the person is at, or None."""
        if self._current is None or self.session is None:
            return None
        number = self.session.review.listed_as(self._current)
        return next((i for i, row in enumerate(self.shown) if row.lesion.id == number), None)

    def _row(self):
        index = self._index()
        return None if index is None else self.shown[index]

    def _goTo(self, index: int) -> None:
        self._current = self.shown[index].lesion.id
        self.update()
        self._jump()

    def _jump(self) -> None:
        """Show the current lesion in the views, without a brush in the hand."""
        row = self._row()
        if row is not None:
            self._editor.putAway()
            self._views.jumpTo(self.session.worldPoint(row.lesion.centre_ras))

    def _step(self, by: int) -> None:
        self._following.finish()
        if not self.shown:
            return
        index = self._index()
        if index is None:
            index = 0 if by > 0 else len(self.shown) - 1
        else:
            index = min(max(index + by, 0), len(self.shown) - 1)
        self._goTo(index)

    def _decide(self, decision: str) -> None:
        """Decide on the current lesion and go on to the next open one; a lesion that no view shows is only shown."""
        self.takeEdits()
        row, index = self._row(), self._index()
        if row is None:
            return
        if not isInView(*self.session.voxelsInWorld(row.lesion.id)):
            self._jump()
            return
        review, number = self.session.review, row.lesion.id
        if not row.decision == decision == "rejected":
            (review.accept if decision == "accepted" else review.reject)(number)
            self._came.append(number)
        others = (*self.shown[index + 1 :], *self.shown[:index])
        self._current = next((other.lesion.id for other in others if other.decision == "open"), None)
        self._editor.putAway()
        self._show()
        self._jump()

    def _show(self) -> None:
        """Put the review into the scene."""
        self.session.show()
        self.update()

    def _ruleMoved(self) -> bool:
        """Whether the sliders say something else than the rule that the lesions were found by."""
        if self.session is None or self.parameters is None:
            return False
        rule = self.session.review.rule
        return onSliders(rule.threshold, rule.minimum_mm3) != self._sliders()

    def _sliders(self) -> tuple[float, float]:
        return onSliders(self.parameters.threshold, self.parameters.minimumMm3)

    def _applyRule(self) -> None:
        """Show the mask by the sliders now, and let the table follow."""
        if not self._ruleMoved():
            return
        self._following.stop()  # the table of the rule before need not come any more
        self.takeEdits()
        self.session.setRule(*self._sliders())
        self._following.begin(self._follow())

    def _follow(self):
        yield from self.session.review.describe()
        self.update()
        self.session.keep()  # lesions that came with the threshold have numbers now
        yield
