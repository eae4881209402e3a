"""The panel's review: the lesion table, decisions by button and key, and what the views show of it."""

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from .. import texts
from ..drawing.earlierLesions import EarlierLesions
from ..drawing.lesionMarks import LesionMarks
from ..drawing.lesionSurfaces import LesionSurfaces
from ..parameters import BoundParameters
from ..views.inView import isInView
from ..views.sliceViews import Views, pointedRAS
from ..views.surfaceViews import SurfaceClicks, lookAt, surfaceViews
from ..views.windowing import nextWindow
from ..widgets.clock import Clock
from ..widgets.heldKey import HeldKey
from ..widgets.say import Say
from ..widgets.signals import Signal
from ..widgets.timers import Steps, delayed
from .counts import showCounts
from .editing import Editing
from .exportRow import ExportRow
from .keys import Keys, showKeys
from .legend import legend
from .lesionTable import LesionTable
from .place import Place
from .ruleSliders import RuleSliders


class ReviewSection:
    """Maps the current review to widgets, and buttons and keys to what they do.

    Args:
        widget, ui: form of the review.
        search: form of the search, with the sliders and the count of lesions.

    Attributes:
        place: the lesion that the person is at.
        acting: signal before every key and button; the review may turn to another session then, or to none.
    """

    def __init__(self, widget, ui, parameters: BoundParameters, views: Views, search, say: Say) -> None:
        self.widget, self.ui = widget, ui
        self.acting = Signal()
        self.place = Place()
        self._search = search
        self._parameters = parameters
        self._views = views
        self._say = say
        self._jumpLater = delayed(0, self._jump)
        following = Steps()  # of the table, after the mask
        self._table = LesionTable(self.ui.lesionTable, self.place.goTo, self.place.sortBy)
        self._marks = LesionMarks()
        self._earlier = EarlierLesions()
        self._surfaces = LesionSurfaces()
        self._clicks = SurfaceClicks(self._clickOn)
        self._fitLater = delayed(0, lambda: lookAt(self._surfaces.bounds()))
        self._clock = Clock(ui.secondsLabel)
        self._editing = Editing(self.ui, self.place, following)
        self.rule = RuleSliders(parameters, self.place, self._editing, following)
        self._exports = ExportRow(self.ui, self, say)
        self._hiding = HeldKey("H", self.toggleVisible)
        actions = {key: self._onDisplay(action) for key, action in self._actions().items()}
        self._keys = Keys({**actions, "?": showKeys})
        ui.keysButton.clicked.connect(showKeys)
        self._editing.effectChanged.connect(self._keys.giveWay)
        for button, action in self._buttons():
            button.clicked.connect(self._onDisplay(action))
        self.place.changed.connect(self.update)
        self.place.moved.connect(self._jump)
        parameters.changed.connect(lambda: self.place.sort(parameters.node.order))
        self.place.refresh()

    @property
    def session(self):
        """The review session, or None."""
        return self.place.session

    def setSession(self, session) -> None:
        """Show another review, or none."""
        self.rule.stop()
        self._editing.turnTo(session)
        self.place.turnTo(session)
        self._clock.begin(session is not None)
        self.ui.subtractionButton.checked = False
        self.resume()
        if self._parameters.node is not None:
            self.place.goToOpen()
            self._jumpLater.start()  # views of a layout that was changed just now are not there yet

    def resume(self) -> None:
        """Go on with the same review, such as when the module is entered again."""
        self.rule.show()  # also of a result that came while the person was in another module
        self._editing.resume(self.session if self._parameters.node is not None else None)
        self.place.refresh()

    def showScan(self, text: str) -> None:
        """Name the scans that are reviewed, or say why none is."""
        self.ui.scanLabel.text = text

    def enter(self, window) -> None:
        """Listen to the review's keys and prepare the editor."""
        self._keys.listen(window)
        self._clock.go()
        self._editing.enter()

    def exit(self) -> None:
        """Leave the keys and the views to others; no effect stays active."""
        self._jumpLater.stop()
        self.rule.apply()
        self._marks.clear()
        self._earlier.clear()
        self._fitLater.stop()
        self._surfaces.clear()
        self._clicks.stop()
        self._editing.exit()
        self._keys.stop()
        self._clock.pause()

    def cleanup(self) -> None:
        self._clock.pause()
        self.rule.stop()
        self._editing.turnTo(None)

    def takeKeys(self) -> None:
        """Something was typed to its end: letters are the review's keys again."""
        self.ui.lesionTable.setFocus()

    def takeEdits(self) -> None:
        """Take over what was painted."""
        self._editing.take()

    def showCurrent(self) -> None:
        """Show the lesion that the person is at once more, such as in other views."""
        self._jump()

    def goToOpen(self) -> None:
        """Show the first lesion that is not reviewed."""
        self.place.goToOpen()

    def accept(self) -> None:
        self._decide("accepted")

    def reject(self) -> None:
        self._decide("rejected")

    def missed(self) -> None:
        """Mark the lesion where the mouse points, or else at the crosshair."""
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
        self.place.remember()
        self._show(number)

    def undo(self) -> None:
        self.takeEdits()
        if self.session.review.undo():
            self.session.show()
            self.place.goBack()

    def toggleVisible(self) -> None:
        """Hide or show the lesions in all views."""
        self.session.hide() if self.session.visible else self.session.unhide()
        self.update()

    def showSubtraction(self) -> None:
        """Lay the subtraction over the follow-up, or take it away."""
        volume = self.session.subtraction() if self.ui.subtractionButton.checked else None
        self._views.overlay(volume.GetID() if volume is not None else None)

    def update(self) -> None:
        """Show the state of the review in table, labels and buttons."""
        ui, session, place = self.ui, self.session, self.place
        isPair = session is not None and session.task.compares
        for slider in (self._search.thresholdSlider, self._search.minimumSlider):
            slider.enabled = session is not None
        self._marks.show(session, place.number)
        self._earlier.show(session)
        self._showSurfaces()
        remarks = "" if session is None else texts.remarksText(session)
        ui.remarksLabel.text, ui.remarksLabel.visible = remarks, bool(remarks)
        less = ui.remarksLabel.heightForWidth(ui.lesionTable.width) if remarks else 0
        self._table.fill(place.rows, place.index, isPair, less)
        for button in (ui.nextButton, ui.previousButton):
            button.enabled = bool(place.rows)
        for button in (ui.acceptButton, ui.rejectButton, ui.editButton):
            button.enabled = place.index is not None
        for button in (ui.missedButton, ui.visibleButton, ui.copyButton, ui.saveTableButton):
            button.enabled = session is not None
        ui.undoButton.enabled = session is not None and session.review.can_undo
        ui.visibleButton.text = _("Hide (H)") if session is None or session.visible else _("Show (H)")
        ui.flickerButton.visible = isPair or (session is not None and session.task.before_after is not None)
        ui.subtractionButton.visible = isPair
        ui.subtractionButton.enabled = isPair and session.subtraction() is not None
        ui.legendLabel.visible = isPair
        ui.legendLabel.text = legend(session.task) if isPair else ""
        showCounts(ui, None if session is None else session.review)

    def _actions(self) -> dict:
        """What to call by the name of the key."""
        return {
            "N": self._next,
            "P": self._previous,
            "O": self._nextOpen,
            "A": self.accept,
            "C": self.reject,
            "M": self.missed,
            "H": self._hiding.press,
            "L": self._toggleSurfaces,
            "Space": self._views.toggleZoom,
            "W": self._window,
            "X": self._views.flicker,
            "U": self.undo,
            "Z": self.undo,
            **self._editing.tools(),
        }

    def _buttons(self) -> tuple:
        ui, keys = self.ui, self._actions()
        return (
            (ui.nextButton, keys["N"]),
            (ui.previousButton, keys["P"]),
            (ui.acceptButton, keys["A"]),
            (ui.rejectButton, keys["C"]),
            (ui.editButton, keys["E"]),
            (ui.missedButton, keys["M"]),
            (ui.undoButton, keys["U"]),
            (ui.visibleButton, self.toggleVisible),
            (ui.flickerButton, keys["X"]),
            (ui.subtractionButton, self.showSubtraction),
        )

    def _onDisplay(self, action):
        """The action, taken on what the views show: a person may have turned to another scan just before."""

        def act(*_args) -> None:
            self.acting.emit()
            if self.session is not None:
                action()

        return act

    def _next(self) -> None:
        self.rule.finish()
        self.place.step(1)

    def _previous(self) -> None:
        self.rule.finish()
        self.place.step(-1)

    def _nextOpen(self) -> None:
        """Go to the next lesion that is not reviewed."""
        self.rule.finish()
        number = self.place.nextOpen(withPossible=True)
        if number is not None:
            self.place.put(number)

    def _window(self) -> None:
        ids = self.session.volumeIds().values()
        nextWindow([slicer.mrmlScene.GetNodeByID(volume) for volume in ids])

    def _showSurfaces(self) -> None:
        """Draw the lesions in 3D where a view shows them."""
        if not surfaceViews():
            return
        self._clicks.listen()
        if self._surfaces.show(self.session, self.place.number):
            self._fitLater.start()

    def _toggleSurfaces(self) -> None:
        self._surfaces.toggle()
        self._showSurfaces()

    def _clickOn(self, start, end) -> None:
        """Go to the lesion whose surface was clicked."""
        number = self._surfaces.numberAt(start, end)
        if number is not None:
            self.rule.finish()
            self.place.put(number)

    def _jump(self) -> None:
        """Show the current lesion in the views, without a brush in the hand."""
        row = self.place.row
        if row is not None:
            self._editing.putAway()
            self._views.jumpTo(self.session.worldPoint(row.lesion.centre_ras), row.lesion.longest_axis_mm)

    def _decide(self, decision: str) -> None:
        """Decide on the current lesion and go on to the next open one; a lesion that no view shows is only shown."""
        self.takeEdits()
        row = self.place.row
        if row is None:
            return
        review, number = self.session.review, row.lesion.id
        if not isInView(*self.session.voxelsInWorld(number)):
            self._jump()
            return
        # nobody who presses a key in rhythm makes a possible one a lesion before looking at it
        following = self.place.nextOpen(withPossible=row.decision == "possible")
        if not row.decision == decision == "rejected":
            (review.accept if decision == "accepted" else review.reject)(number)
            self.place.remember()
        self._editing.putAway()
        self._show(following)

    def _show(self, number: int | None) -> None:
        """Put the review into the scene and go to a lesion."""
        self.session.show()
        self.place.put(number)
