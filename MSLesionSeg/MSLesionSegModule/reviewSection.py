"""The panel's review: threshold, lesion table, decisions by button and key, and what is painted by hand."""

import qt
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from . import texts
from .choices import DICTATED
from .dialogs import fileToSave
from .editor import Editor
from .lesionTable import LesionTable
from .parameters import onSliders
from .segments import stateTitle
from .timers import Steps, delayed
from .views import pointedRAS

_SETTLE_MS = 300  # painting sends many events; the table follows when they have ended
_DRAG_MS = 30  # the mask follows a slider that is dragged this often, or as often as it can


class ReviewSection:
    """Maps the current findings to widgets and widgets to decisions.

    Args:
        ui: widgets of the panel.
        views: slice views.
        say: shows a sentence to the person.

    ``beforeActing()`` is called before every key and button; it may bring other findings, or none.
    """

    def __init__(self, ui, views, say) -> None:
        self.ui = ui
        self.findings = None
        self.parameters = None
        self.beforeActing = lambda: None
        self._views = views
        self._say = say
        self._shown = []
        self._current = None  # voxel of the lesion that the person is at
        self._came = []  # where the person was before each step that can be undone
        self._table = LesionTable(ui.lesionTable)
        self._table.onSelected = self._goTo
        self._editor = Editor(ui.segmentEditor)
        self._segmentation = None
        self._observers = []
        self._painted = False  # and not yet taken over
        self._settle = delayed(_SETTLE_MS, self.takeEdits)
        self._drag = delayed(_DRAG_MS, self._applyRule)
        self._following = Steps()  # of the table, after the mask
        self._order = None
        self._shortcuts = []
        self._connect()
        self.update()

    def setFindings(self, findings) -> None:
        """Show other findings, or none."""
        self._observe(None)
        self._settle.stop()
        self._following.stop()
        self._painted = False  # what was painted into earlier lesions stays in their segments
        self.findings = findings
        self._current = None
        self._came = []
        self.ui.subtractionButton.checked = False
        self._observe(findings)
        self.resume()

    def resume(self) -> None:
        """Go on with the same findings, such as when the module is entered again."""
        if self.findings is not None and self.parameters is not None:
            # also of a result that came while the person was in another module
            rule = self.findings.review.rule
            threshold, minimumMm3 = onSliders(rule.threshold, rule.minimum_mm3)
            self.parameters.threshold, self.parameters.minimumMm3 = threshold, minimumMm3
        self._editor.edit(self.findings if self.parameters is not None else None)
        self.update()

    def parametersChanged(self) -> None:
        """React to threshold, minimum size and order."""
        if self._ruleMoved() and not self._drag.active:
            self._drag.start()
        if self.parameters is not None and self.parameters.order is not self._order:
            self.update()

    def enter(self, parent) -> None:
        """Listen to the review's keys and prepare the editor."""
        keys = {
            "N": self.next,
            "P": self.previous,
            "A": self.accept,
            "R": self.reject,
            "E": self.edit,
            "M": self.missed,
            "H": self.toggleVisible,
            "X": self.flicker,
            "U": self.undo,
        }
        for key, action in keys.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), parent)
            shortcut.activated.connect(self._onDisplay(action))
            self._shortcuts.append(shortcut)
        self._editor.enter(parent)

    def exit(self) -> None:
        """Leave the keys and the views to others; no effect stays active."""
        self._drag.stop()
        self._applyRule()
        self.takeEdits()
        for shortcut in self._shortcuts:
            shortcut.enabled = False
            shortcut.deleteLater()
        self._shortcuts = []
        self._editor.exit()

    def cleanup(self) -> None:
        self._settle.stop()
        self._drag.stop()
        self._following.stop()
        self._observe(None)

    def next(self, *_args) -> None:
        self._step(1)

    def previous(self, *_args) -> None:
        self._step(-1)

    def accept(self, *_args) -> None:
        self._decide(lambda review, number: review.accept(number))

    def reject(self, *_args) -> None:
        row = self._row()
        if row is not None and row.decision == "rejected":
            self.next()
        else:
            self._decide(lambda review, number: review.reject(number))

    def edit(self, *_args) -> None:
        """Open the editor with a brush on the current lesion's segment."""
        self._following.finish()
        row = self._row()
        if row is None:
            return
        self.ui.editorCollapsibleButton.collapsed = False
        self._jump(row)
        self._editor.takeBrush(row.state)

    def missed(self, *_args) -> None:
        """Mark the lesion where the mouse points, or else at the crosshair."""
        if self.findings is None:
            return
        ras = pointedRAS()
        if ras is None:
            self._say(_("There is no crosshair in this scene."), error=True)
            return
        self.takeEdits()
        try:
            number = self.findings.review.grow(self.findings.localPoint(ras))
        except MSLesionSegError as error:
            self._say(str(error), error=True)
            return
        self._came.append(self._current)
        self._current = next(row.voxel for row in self.findings.review.rows if row.lesion.id == number)
        self._show()

    def undo(self, *_args) -> None:
        if self.findings is None:
            return
        self.takeEdits()
        if self.findings.review.undo():
            if self._came:  # steps made outside the panel have no place
                self._current = self._came.pop()
            self._show()

    def takeEdits(self) -> None:
        """Take over what was painted since the table last followed; nothing else may change the mask before."""
        self._following.finish()
        if not self._painted:
            return
        self._painted = False
        self._settle.stop()
        if self.findings.takeEdits():
            self._came.append(self._current)
        self.update()

    def toggleVisible(self, *_args) -> None:
        """Hide or show the lesions in all views."""
        if self.findings is not None:
            display = self.findings.node.GetDisplayNode()
            display.SetVisibility(not display.GetVisibility())
            self.update()

    def flicker(self, *_args) -> None:
        """Exchange baseline and follow-up in the views."""
        self._views.flicker()

    def showSubtraction(self, *_args) -> None:
        """Lay the subtraction over the follow-up, or take it away."""
        volume = self.findings.subtraction() if self.ui.subtractionButton.checked else None
        self._views.overlay(volume.GetID() if volume is not None else None)

    def copyText(self, *_args) -> None:
        """Copy the findings as sentences to dictate."""
        from MSLesionSegLib.lesions.table import dictation

        self.takeEdits()
        review = self.findings.review
        rule = review.rule
        text = dictation(
            review.lesions,
            connectivity=rule.connectivity,
            minimum_mm3=rule.minimum_mm3,
            kind=DICTATED[self.findings.record["task"]],
        )
        slicer.app.clipboard().setText(text)
        self._say(_("The findings were copied as text."))

    def saveTable(self, *_args) -> None:
        """Save the table as it stands on the screen."""
        from MSLesionSegLib.lesions.review_table import write_rows

        self.takeEdits()
        path = fileToSave(_("Save table"), "lesions.csv", "CSV (*.csv)")
        if not path:
            return
        try:
            write_rows(self._shown, path)
        except OSError as error:
            self._say(_("The table could not be saved: {reason}.").format(reason=error.strerror), error=True)
            return
        self._say(_("The table was saved."))

    def update(self) -> None:
        """Show the state of the review in table, labels and buttons."""
        ui, found = self.ui, self.findings
        self._order = None if self.parameters is None else self.parameters.order
        for slider in (ui.thresholdSlider, ui.minimumSlider):
            slider.enabled = found is not None
        review = None if found is None else found.review
        self._shown = self._ordered()
        self._table.fill(self._shown, self._index(), found is not None and found.record["task"] == "new")
        for button in (ui.nextButton, ui.previousButton):
            button.enabled = bool(self._shown)
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
        if review is None:
            ui.countLabel.text = ""
            ui.reviewedLabel.text = _("Find lesions to review them here.")
            ui.totalsLabel.text = ""
            return
        from MSLesionSegLib.lesions.review_table import totals_by_state
        from MSLesionSegLib.lesions.table import totals_by_region

        ui.countLabel.text = texts.countText(review)
        ui.reviewedLabel.text = texts.reviewedText(*review.progress)
        states = {
            stateTitle(state): f"{total['lesions']:.0f} ({total['volume_mm3'] / 1000:.2f} ml)"
            for state, total in totals_by_state(review.rows).items()
        }
        ui.totalsLabel.text = texts.totalsText(totals_by_region(review.lesions), states)

    def _ordered(self):
        if self.findings is None:
            return []
        from MSLesionSegLib.lesions.review_table import ORDERS, ordered

        order = self._order.value if self._order is not None else ORDERS[0]
        return ordered(self.findings.review.rows, order)

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
            (ui.copyButton, self.copyText),
            (ui.saveTableButton, self.saveTable),
        ):
            button.clicked.connect(self._onDisplay(action))

    def _onDisplay(self, action):
        """The action, taken on what the views show: a person may have turned to another scan just before."""

        def act(*_args) -> None:
            self.beforeActing()
            if self.findings is not None:
                action()

        return act

    def _index(self):
        """Row of the table that the person is at, or None."""
        if self._current is None or self.findings is None:
            return None
        number = self.findings.review.number_at(self._current)
        return next((i for i, row in enumerate(self._shown) if row.lesion.id == number), None)

    def _row(self):
        index = self._index()
        return None if index is None else self._shown[index]

    def _goTo(self, index: int) -> None:
        row = self._shown[index]
        self._current = row.voxel
        self.update()
        self._jump(row)

    def _jump(self, row) -> None:
        """Go there, without a brush in the hand."""
        self._editor.putAway()
        self._views.jumpTo(self.findings.worldPoint(row.lesion.centre_ras))

    def _step(self, by: int) -> None:
        self._following.finish()
        if not self._shown:
            return
        index = self._index()
        if index is None:
            self._goTo(0 if by > 0 else len(self._shown) - 1)
        else:
            self._goTo((index + by) % len(self._shown))

    def _decide(self, decide) -> None:
        self.takeEdits()
        row, index = self._row(), self._index()
        if row is None:
            return
        following = self._shown[(index + 1) % len(self._shown)].voxel
        decide(self.findings.review, row.lesion.id)
        self._came.append(row.voxel)
        self._current = following
        self._show()
        if self._row() is not None:
            self._jump(self._row())

    def _show(self) -> None:
        """Put the review into the scene."""
        self.findings.show()
        self.update()

    def _ruleMoved(self) -> bool:
        """Whether the sliders say something else than the rule that the lesions were found by."""
        if self.findings is None or self.parameters is None:
            return False
        rule = self.findings.review.rule
        return onSliders(rule.threshold, rule.minimum_mm3) != self._sliders()

    def _sliders(self) -> tuple[float, float]:
        return onSliders(self.parameters.threshold, self.parameters.minimumMm3)

    def _applyRule(self) -> None:
        """Show the mask by the sliders now, and let the table follow."""
        if not self._ruleMoved():
            return
        self._following.stop()  # the table of the rule before need not come any more
        self.takeEdits()
        self.findings.setRule(*self._sliders())
        self._following.begin(self._follow())

    def _follow(self):
        yield from self.findings.review.describe()
        self.update()
        yield

    def _edited(self, *_args) -> None:
        if not self.findings.showing:
            self._painted = True
            self._settle.start()

    def _observe(self, findings) -> None:
        for tag in self._observers:
            self._segmentation.RemoveObserver(tag)
        self._observers = []
        self._segmentation = None if findings is None else findings.node.GetSegmentation()
        if self._segmentation is not None:
            event = slicer.vtkSegmentation.SourceRepresentationModified
            self._observers = [self._segmentation.AddObserver(event, self._edited)]
