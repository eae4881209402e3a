"""The panel's training set: its folder, what is in it, and filing the reviewed case."""

import time

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from .. import texts
from ..jobs import caseCommands
from ..jobs.job import DONE

_LONGEST_REVIEW_MIN = 24 * 60


class CasesSection:
    """The training set.

    ``beforeAdding()`` is called before a review is filed, ``showOpen()`` when it is not finished, ``onChanged()``
    when the set has changed.
    """

    def __init__(self, ui, logic, say) -> None:
        self.ui = ui
        self.logic = logic
        self.session = None
        self.onChanged = lambda: None
        self.beforeAdding = self.showOpen = lambda: None
        self._say = say
        self._job = None
        self._began = 0.0
        if caseCommands.casesFolder():
            ui.casesFolderButton.directory = caseCommands.casesFolder()
        ui.reviewerEdit.text = caseCommands.reviewer()
        ui.casesFolderButton.directoryChanged.connect(self._folderChanged)
        ui.reviewerEdit.editingFinished.connect(self._reviewerChanged)
        ui.addCaseButton.clicked.connect(self.add)
        self.update()

    def setSession(self, session) -> None:
        """The review that would be filed; the time that it takes counts from here."""
        self.session = session
        self._began = time.monotonic()
        self.update()

    def add(self, *_args) -> None:
        """File the corrected mask; asks if the review is not finished."""
        self.beforeAdding()
        session, began = self.session, self._began  # a search may end while the question is open
        rows = session.review.rows
        unreviewed = [row.lesion.id for row in rows if row.decision == "open"]
        if unreviewed:
            self.showOpen()
            if not slicer.util.confirmYesNoDisplay(texts.openText(unreviewed, len(rows))):
                return
        self._reviewerChanged()
        minutes = (time.monotonic() - began) / 60
        minutes = (
            minutes if minutes < _LONGEST_REVIEW_MIN else None
        )  # nobody corrects for days: Slicer stood open
        try:
            self._job = self.logic.startAddCase(
                session, caseCommands.casesFolder(), caseCommands.reviewer(), minutes, self._added
            )
        except (MSLesionSegError, OSError) as error:
            self._say(str(error), error=True)
            return
        self._say(_("Adding the case..."))
        self.update()

    def update(self) -> None:
        """Show how many cases there are and whether one can be added."""
        cases = caseCommands.listCases(caseCommands.casesFolder(), None)
        lesions = sum(case["lesions"] for case in cases)
        validation = sum(case["split"] == "validation" for case in cases)
        # without a text of its own the button shows Slicer's working directory
        self.ui.casesFolderButton.text = caseCommands.casesFolder() or _("Choose a folder...")
        self.ui.casesLabel.text = texts.casesText(len(cases), lesions, validation)
        problem = texts.addCaseProblem(self.session, caseCommands.casesFolder(), self._job is not None)
        self.ui.addCaseButton.enabled = not problem
        self.ui.addCaseButton.toolTip = problem or _(
            "Keep the scan and the corrected mask as a training case."
        )

    def _added(self, outcome) -> None:
        self._job = None
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
        self.onChanged()

    def _folderChanged(self, *_args) -> None:
        caseCommands.rememberCasesFolder(str(self.ui.casesFolderButton.directory))
        self.update()
        self.onChanged()

    def _reviewerChanged(self, *_args) -> None:
        caseCommands.rememberReviewer(self.ui.reviewerEdit.text.strip())
