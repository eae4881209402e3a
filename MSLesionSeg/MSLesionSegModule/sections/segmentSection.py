"""The panel's upper part: what to look for, on which scans, and the button that starts it or cancels it."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from .. import texts
from ..choices import OPTIONAL_INPUTS, REFERENCE, TASK_INPUTS, TaskChoice, inputTitle
from ..jobs.job import CANCELLED, CANCELLING, DONE
from ..scans.inputs import Inputs, doubt
from ..scene import volumes
from ..scene.sceneLesions import lesionsInScene, scanOf, taskOf
from ..scene.storedResult import readResult
from ..setup.memory import memoryWarning
from ..setup.packages import coreImportable
from ..timers import delayed
from . import modelStore
from .dialogs import fileToOpen
from .modelSection import ModelSection
from .modelsSection import openCard

_ALL_INPUTS = ("flair", "baseline", "followup", "pre", "post")


class SegmentSection(ModelSection):
    """Maps task, scans and the running search to widgets.

    ``onSession(session)`` is called when a search has ended well, ``onChosen(volume)`` when a person has chosen a
    scan, ``onSearch(volume)`` with the scan that carries the result when a search begins.
    """

    def __init__(self, ui, logic, say, views) -> None:
        self._inputs = Inputs()
        super().__init__(ui.modelComboBox, "model")
        self.ui = ui
        self.logic = logic
        self.onSession = lambda session: None
        self.onChosen = lambda volume: None
        self.onSearch = lambda volume: None
        self._say = say
        self._views = views
        self._job = None
        self._task = None
        self._inUse = ""
        self._stage = ""
        self._remarks = ""  # on the scans under review
        self._proposeTimer = delayed(0, self.proposeInputs)
        ui.segmentButton.clicked.connect(self.toggle)
        ui.cardButton.clicked.connect(self.showCard)
        ui.openResultButton.clicked.connect(self.openResult)
        ui.nextScanButton.clicked.connect(self.takeNext)
        self._busy(None)

    @ModelSection.parameters.setter
    def parameters(self, parameters) -> None:
        ModelSection.parameters.fset(self, parameters)
        self._inputs.bind(parameters)

    def toggle(self, *_args) -> None:
        """Start, or cancel what is running."""
        if self._job is None:
            self.start()
        else:
            self._job.cancel()
            self.ui.segmentStageLabel.text = _("Cancelling...")
            self.ui.segmentButton.enabled = False

    def start(self) -> None:
        """Look for lesions on the chosen scans."""
        chosen = self._inputs.chosen()
        problem = self._problem(chosen)
        if problem:
            self._say(problem, error=True)
            return
        reason = doubt(chosen)
        question = _("{reason}\n\nLook for lesions on them all the same?").format(reason=reason)
        if reason and not slicer.util.confirmYesNoDisplay(question):
            return
        self._say(memoryWarning())
        self.ui.logText.clear()
        self._stage = ""
        nodes = {name: node for name, node in chosen.items() if node is not None}
        try:
            self._job = self.logic.segment(
                self.task,
                nodes,
                model=self._model.name,
                device=self.parameters.device.value,
                correctBias=self.parameters.correctBias,
                wait=False,
                onEvent=self._event,
                onFinished=self._finished,
            )
        except (MSLesionSegError, OSError) as error:
            self._say(str(error), error=True)
            return
        self._busy(_("Starting..."))
        self.onSearch(nodes[REFERENCE[self.task]])

    def openResult(self, *_args) -> None:
        """Review a result of the command line; scans of it that are not in the scene are asked for."""
        path = fileToOpen(_("Open result"), _("Results") + " (result.json)")
        if not path:
            return
        loaded: list = []
        try:
            session = self._opened(Path(path), loaded)
        except (MSLesionSegError, OSError) as error:
            self._say(str(error), error=True)
            session = None
        if session is None:
            for node in loaded:
                volumes.remove(node)
            return
        self._say("")
        self.parameters.task = TaskChoice(session.record["task"])
        self.askFor(session)
        self._show(session)

    def parametersChanged(self) -> None:
        """React to another task or other scans."""
        if self.parameters is not None and self.task != self._task:
            self._task = self.task
            self.refreshModels()
            self.proposeInputs()
        chosen = [] if slicer.mrmlScene.IsBatchProcessing() else self._inputs.byPerson()
        if chosen:
            self._inputs.propose()
            self.onChosen(chosen[-1])
        self.update()

    def follow(self, volumes) -> None:
        """Ask for the scans of the patient whose volumes the views show."""
        self._inputs.follow(volumes)
        self.update()

    def askFor(self, session) -> None:
        """Choose the scans that lesions were found on, if they are of the task that is chosen."""
        if session.record["task"] == self.task:
            shown = session.volumeIds()
            self._inputs.take({name: shown.get(name) for name in TASK_INPUTS[self.task]})

    def takeNext(self, *_args) -> None:
        """Go on to a scan on which lesions were not looked for yet."""
        proposed = self._next()
        if proposed:
            self._inputs.take({name: proposed.get(name) for name in TASK_INPUTS[self.task]})
            self.onChosen(slicer.mrmlScene.GetNodeByID(proposed[REFERENCE[self.task]]))

    def proposeSoon(self) -> None:
        """Propose scans once the event that brought a new one is over: only then it has its name and image."""
        self._proposeTimer.start()

    def proposeInputs(self) -> None:
        """Fill empty selectors with volumes that look right."""
        if self.parameters is not None:
            self._inputs.propose()
            self.update()

    def refreshModels(self) -> None:
        """List the models of the task; the first entry is the one in use."""
        self._inUse = modelStore.inUse(self.task)
        names = [member.card.name for member in modelStore.modelsFor(self.task)]
        self._model.offer(_("In use: {model}").format(model=self._inUse or _("none")), names)

    def showCard(self, *_args) -> None:
        """Show the card of the chosen model."""
        name = self._model.name or self._inUse
        if name:
            openCard(name)

    def update(self) -> None:
        """Show which scans are asked for and whether the search can start."""
        ui = self.ui
        asked = TASK_INPUTS[self.task]
        for name in _ALL_INPUTS:
            for part in ("Label", "Selector"):
                getattr(ui, f"{name}{part}").visible = name in asked
        ui.flairLabel.text = (
            _("FLAIR (optional):") if (self.task, "flair") in OPTIONAL_INPUTS else _("FLAIR:")
        )
        self._offerNext()
        if self._job is not None:
            return
        ui.openResultButton.enabled = coreImportable()
        ui.openResultButton.toolTip = (
            _("Review lesions that the command line found, such as those of a batch: choose a result.json.")
            if ui.openResultButton.enabled
            else _("Python packages are missing. Install them under Packages first.")
        )
        problem = _("The scene is being closed.")
        if self.parameters is not None:
            problem = self._problem(self._inputs.chosen())
        ui.segmentButton.enabled = not problem
        ui.segmentButton.toolTip = problem or _("Find lesions on the chosen scans.")

    def _next(self) -> dict[str, str]:
        searched = [scanOf(node) for node in lesionsInScene() if taskOf(node) == self.task]
        return {} if self.parameters is None else self._inputs.next(searched)

    def _offerNext(self) -> None:
        button, scan = self.ui.nextScanButton, self._next().get(REFERENCE[self.task])
        button.visible = scan is not None
        if scan is not None:
            name = slicer.mrmlScene.GetNodeByID(scan).GetName()
            button.text = _("Next: {scan}").format(scan=name)

    def _problem(self, chosen) -> str:
        missing = self.logic.packages.missing(self.task)
        return texts.segmentProblem(self.task, chosen, missing, bool(self._model.name or self._inUse))

    def _event(self, event) -> None:
        kind = event["event"]
        if kind == "progress" and self._job is not None and self._job.state != CANCELLING:
            self.ui.segmentProgressBar.value = round(100 * event["fraction"])
            self.ui.segmentStageLabel.text = texts.progressText(event)
            if event["stage"] != self._stage:
                self._stage = event["stage"]
                self.ui.logText.appendPlainText(texts.stageText(event))
        elif kind == "warning":
            self.ui.logText.appendPlainText(event["sentence"])

    def _finished(self, session, outcome) -> None:
        job, self._job = self._job, None
        for line in job.log if job is not None else ():
            self.ui.logText.appendPlainText(line)
        self._busy(None)
        if outcome.state == DONE and self._turnedAway(session):
            session.hide()
            scan = session.volume.GetName()
            self._say(_("Lesions were found on {scan}. Choose it to review them.").format(scan=scan))
        elif outcome.state == DONE:
            self._show(session)
        elif outcome.state == CANCELLED:
            self._say(_("Cancelled. The scene is as it was."))
        else:
            self._say(outcome.sentence, error=True, details="\n".join(job.log) if job is not None else "")
        self.update()

    def _turnedAway(self, session) -> bool:
        """Whether the person has turned to other scans than those that were searched."""
        chosen = {name: node.GetID() for name, node in self._inputs.chosen().items() if node is not None}
        return self.parameters is not None and chosen != session.volumeIds()

    def describe(self, session) -> None:
        """Say how the lesions under review were found, and what to know about their scans; None: say nothing."""
        if session is not None:
            self.ui.logText.appendPlainText(texts.howText(session.record))
        self._remarks = "" if session is None else "\n".join(session.record["remarks"])
        if self._job is None:
            self.ui.segmentStageLabel.text = self._remarks

    def _show(self, session) -> None:
        if self.parameters is not None:  # else the person has gone to another module, and its views stay
            self._views.show(session.record["task"], session.volumeIds())
        self.onSession(session)

    def _opened(self, path: Path, loaded: list):
        """ReviewSession of a stored result; None if the person does not say where a scan of it is.

        ``loaded`` receives the volumes that were loaded for it.
        """
        with slicer.util.WaitCursor():
            result = readResult(path)
            session = result.goOn()
            if session is not None:
                return session
            nodes = result.scansInScene()
        for name in result.scans:
            if name not in nodes:
                title = _("Where is the {scan} that this result was made on?").format(scan=inputTitle(name))
                file = fileToOpen(title, _("Scans") + " (*.nii *.nii.gz *.nrrd)")
                if not file:
                    return None
                nodes[name] = result.loadScan(name, Path(file))
                loaded.append(nodes[name])
        with slicer.util.WaitCursor():
            return result.show(nodes, self.logic.workFolder())

    def abandoned(self) -> None:
        """Forget the running search: it was ended with its scene."""
        self._job = None
        self._busy(None)

    def _busy(self, text: str | None) -> None:
        ui = self.ui
        ui.segmentProgressBar.visible = text is not None
        ui.segmentProgressBar.value = 0
        ui.segmentStageLabel.text = self._remarks if text is None else text
        ui.segmentButton.text = _("Cancel") if text is not None else _("Find lesions")
        ui.segmentButton.enabled = text is not None
        if text is not None:
            ui.openResultButton.enabled = False
            ui.openResultButton.toolTip = _("Lesions are being looked for.")
            ui.segmentButton.toolTip = _("Stop. The scene stays as it is.")
