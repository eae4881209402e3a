"""The panel's search: the button that starts it or cancels it, how far it is, and results of the command line."""

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.tasks import TASKS

from .. import texts
from ..choices import TaskChoice
from ..jobs.job import CANCELLED, DONE
from ..logic import MSLesionSegLogic
from ..parameters import BoundParameters
from ..scans.inputs import doubt
from ..setup.memory import memoryWarning
from ..setup.packages import coreImportable
from ..views.sliceViews import Views
from ..widgets.form import loadForm
from ..widgets.jobRow import JobRow
from ..widgets.say import Say
from ..widgets.signals import Signal
from ..widgets.timers import delayed
from .resultChoice import chooseResult
from .scansSection import ScansSection

_WARM_AFTER_MS = 500  # the scan is shown first


class SearchSection:
    """Maps the running search to widgets.

    Attributes:
        found: signal, with a review session: a search has ended well, or a result was opened.
        searching: signal, with the scan that will carry the result: a search begins.
    """

    def __init__(
        self,
        logic: MSLesionSegLogic,
        scans: ScansSection,
        parameters: BoundParameters,
        views: Views,
        say: Say,
    ) -> None:
        self.widget, self.ui = loadForm("Search")
        self.found, self.searching = Signal(), Signal()
        self._logic = logic
        self._scans = scans
        self._parameters = parameters
        self._views = views
        self._say = say
        ui = self.ui
        self.row = JobRow(
            ui.segmentButton, ui.segmentProgressBar, ui.segmentStageLabel, ui.logText, self.start
        )
        self.ui.openResultButton.clicked.connect(self.openResult)
        self._warmLater = delayed(_WARM_AFTER_MS, self._warmUp)
        scans.changed.connect(self.update)
        scans.changed.connect(self._warmLater.start)

    def start(self) -> None:
        """Look for lesions on the chosen scans."""
        problem, chosen = self._scans.problem(), self._scans.volumes()
        if problem:
            self._say(problem, error=True)
            return
        reason = doubt(chosen)
        question = _("{reason}\n\nLook for lesions on them all the same?").format(reason=reason)
        if reason and not slicer.util.confirmYesNoDisplay(question):
            return
        self._say(memoryWarning())
        self.ui.logText.clear()
        task, node = self._parameters.task, self._parameters.node
        nodes = {name: volume for name, volume in chosen.items() if volume is not None}
        try:
            job = self._logic.segment(
                task,
                nodes,
                model=self._scans.model,
                device=node.device.value,
                correctBias=node.correctBias,
                wait=False,
                onEvent=self.row.event,
                onFinished=self._finished,
            )
        except (MSLesionSegError, OSError) as error:
            self._say(str(error), error=True)
            return
        self.row.begin(job, _("Stop. The scene stays as it is."))
        self._offerResult()
        self.searching.emit(nodes[TASKS[task].reviewed_on])

    def openResult(self, *_args) -> None:
        """Review a result of the command line; scans of it that are not in the scene are asked for."""
        try:
            session = chooseResult(self._logic.workFolder())
        except (MSLesionSegError, OSError) as error:
            self._say(str(error), error=True)
            return
        if session is not None:
            self._say("")
            self._parameters.node.task = TaskChoice(session.record["task"])
            self._scans.askFor(session)
            self._show(session)

    def cleanup(self) -> None:
        """Nothing is begun any more."""
        self._warmLater.stop()

    def _warmUp(self) -> None:
        """Be ready to search what is chosen, or to search it once more."""
        if self.row.job is None and not self._scans.problem() and not memoryWarning():
            self._logic.warmUp()

    def describe(self, session) -> None:
        """Say how the lesions under review were found."""
        if session is not None:
            self.ui.logText.appendPlainText(texts.howText(session.record))

    def abandoned(self) -> None:
        """Forget the running search: it was ended with its scene."""
        self.row.end()

    def update(self) -> None:
        """Show whether a search can start."""
        self.row.offer(self._scans.problem(), _("Find lesions on the chosen scans."))
        self._offerResult()

    def _offerResult(self) -> None:
        problem = _("A search is running.") if self.row.job is not None else ""
        if not coreImportable():
            problem = _("Python packages are missing. Install them under Packages first.")
        self.ui.openResultButton.enabled = not problem
        self.ui.openResultButton.toolTip = problem or _(
            "Review lesions that the command line found, such as those of a batch: choose a result.json."
        )

    def _finished(self, session, outcome) -> None:
        details = self.row.end()
        if outcome.state == DONE and self._turnedAway(session):
            session.hide()
            scan = session.volume.GetName()
            self._say(_("Lesions were found on {scan}. Choose it to review them.").format(scan=scan))
        elif outcome.state == DONE:
            self._show(session)
        elif outcome.state == CANCELLED:
            self._say(_("Cancelled. The scene is as it was."))
        else:
            self._say(outcome.sentence, error=True, details=details)
        self.update()
        self._warmLater.start()

    def _turnedAway(self, session) -> bool:
        """Whether the person has turned to other scans than those that were searched."""
        chosen = {name: node.GetID() for name, node in self._scans.volumes().items() if node is not None}
        return self._parameters.node is not None and chosen != session.volumeIds()

    def _show(self, session) -> None:
        if self._parameters.node is not None:  # else the person is in another module, and its views stay
            self._views.show(session.record["task"], session.viewIds())
        self.found.emit(session)
