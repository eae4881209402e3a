"""The panel's training set: its folder, what is in it, and filing the reviewed case."""

import time
from typing import Any, Protocol

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from .. import texts
from ..jobs.job import DONE
from ..logic import MSLesionSegLogic
from ..storage.trainingSet import TrainingSet, casesFolder, rememberReviewer, reviewer
from ..widgets.form import loadForm
from ..widgets.say import Say
from .packagesSection import PackagesSection

_LONGEST_REVIEW_MIN = 24 * 60


class Review(Protocol):
    """What is filed. ``ui``: its form, with the button that files it."""

    ui: Any

    def takeEdits(self) -> None:
        """Take over what was painted."""

    def goToOpen(self) -> None:
        """Show a lesion that is not reviewed."""


class TrainingSetSection:
    """Maps the training set, and the case that would be added to it, to widgets."""

    def __init__(
        self,
        logic: MSLesionSegLogic,
        cases: TrainingSet,
        review: Review,
        packages: PackagesSection,
        say: Say,
    ) -> None:
        self.widget, self.ui = loadForm("TrainingSet")
        self.session = None
        self._logic = logic
        self._cases = cases
        self._review = review
        self._say = say
        self._button = review.ui.addCaseButton
        self.job = None
        self._began = 0.0
        ui = self.ui
        if casesFolder():
            ui.casesFolderButton.directory = casesFolder()
        ui.reviewerEdit.text = reviewer()
        ui.casesFolderButton.directoryChanged.connect(self._folderChanged)
        ui.reviewerEdit.editingFinished.connect(self._reviewerChanged)
        self._button.clicked.connect(self.add)
        packages.changed.connect(cases.look)
        cases.changed.connect(self.update)
        self.update()

    def setSession(self, session) -> None:
        """The review that would be filed; the time that it takes counts from here."""
        self.session = session
        self._began = time.monotonic()
        self.update()

    def add(self, *_args) -> None:
        """File the corrected mask; asks if the review is not finished."""
        self._review.takeEdits()
        session, began = self.session, self._began  # a search may end while the question is open
        unreviewed = [row.lesion.id for row in session.review.rows if row.decision == "open"]
        if unreviewed:
            self._review.goToOpen()
            if not slicer.util.confirmYesNoDisplay(texts.openText(unreviewed, session.review.progress[1])):
                return
        self._reviewerChanged()
        minutes = (time.monotonic() - began) / 60
        minutes = (
            minutes if minutes < _LONGEST_REVIEW_MIN else None
        )  # nobody corrects for days: Slicer stood open
        try:
            self.job = self._logic.startAddCase(session, casesFolder(), reviewer(), minutes, self._added)
        except (MSLesionSegError, OSError) as error:
            self._say(str(error), error=True)
            return
        self._say(_("Adding the case..."))
        self.update()

    def update(self) -> None:
        """Show how many cases there are and whether one can be added."""
        cases = self._cases.cases()
        lesions = sum(case["lesions"] for case in cases)
        validation = sum(case["split"] == "validation" for case in cases)
        # without a text of its own the button shows Slicer's working directory
        self.ui.casesFolderButton.text = casesFolder() or _("Choose a folder...")
        counts = texts.casesText(len(cases), lesions, validation)
        self.ui.casesLabel.text = texts.readingText() if self._cases.reading else counts
        problem = texts.addCaseProblem(self.session, casesFolder(), self.job is not None)
        self._button.enabled = not problem
        self._button.toolTip = problem or _("Keep the scan and the corrected mask as a training case.")

    def _added(self, outcome) -> None:
        self.job = None
        if outcome.state == DONE:
            result = outcome.result
            if not result["stored"]:
                self._say(_("This case is in the training set already; nothing has changed."))
            elif result["version"] > 1:
                self._say(
                    _("The case was added as version {n}; the earlier one is kept.").format(
                        n=result["version"]
                    )
                )
            elif result["split"] == "validation":
                self._say(_("The case was added. It is kept for checking models and never trained on."))
            else:
                self._say(_("The case was added to the training set."))
        else:
            self._say(outcome.sentence, error=True)
        self.update()
        self._cases.look()

    def _folderChanged(self, *_args) -> None:
        self._cases.choose(str(self.ui.casesFolderButton.directory))

    def _reviewerChanged(self, *_args) -> None:
        rememberReviewer(self.ui.reviewerEdit.text.strip())
