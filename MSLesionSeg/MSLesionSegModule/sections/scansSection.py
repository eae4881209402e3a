"""The panel's scans: what to look for, on which scans of the scene, with which model."""

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.tasks import TASKS

from .. import texts
from ..choices import ALL_INPUTS
from ..parameters import BoundParameters
from ..scans.inputs import Inputs
from ..scene.sceneLesions import lesionsInScene, scanOf, taskOf
from ..setup.packages import Packages
from ..storage.modelStore import ModelStore
from ..widgets.form import anyWidth, loadForm
from ..widgets.say import Say
from ..widgets.signals import Signal
from ..widgets.timers import delayed
from .modelChoice import ModelChoice
from .modelsSection import openCard


class ScansSection:
    """Maps task, scans and model of the next search to widgets; ``nextButton`` goes on to a scan of its own.

    Attributes:
        changed: signal: something else would be searched, or could not be.
        chosen: signal, with a volume: a person has chosen it.
    """

    def __init__(
        self, packages: Packages, models: ModelStore, parameters: BoundParameters, nextButton, say: Say
    ) -> None:
        self.widget, self.ui = loadForm("Scans")
        selectors = (getattr(self.ui, f"{name}Selector") for name in ALL_INPUTS)
        for box in (self.ui.taskComboBox, *selectors):  # whatever scans are called, the panel keeps its width
            anyWidth(box)
        self.changed, self.chosen = Signal(), Signal()
        self._packages = packages
        self._models = models
        self._say = say
        self._parameters = parameters
        self._inputs = Inputs(parameters)
        self._choice = ModelChoice(self.ui.modelComboBox, parameters, "model")
        self._task = None  # the one that the models and the scans are shown for
        self._proposing = delayed(0, self.propose)
        self._nextButton = nextButton
        nextButton.clicked.connect(self.takeNext)
        self.ui.cardButton.clicked.connect(self.showCard)
        parameters.changed.connect(self._parametersChanged)
        models.changed.connect(self.refreshModels)

    @property
    def model(self) -> str:
        """The chosen model; empty for the one in use."""
        return self._choice.name

    def volumes(self) -> dict:
        """The volume, or None, of each input of the task."""
        return self._inputs.chosen()

    def problem(self) -> str:
        """Why these scans cannot be searched; empty if they can."""
        if self._parameters.node is None:
            return _("The scene is being closed.")
        task = self._parameters.task
        missing = self._packages.missing(task)
        hasModel = self._models.reading or bool(self.model or self._models.inUse(task))
        problem = texts.segmentProblem(task, self.volumes(), missing, hasModel)
        return problem or (_("The models are being read.") if self._models.reading else "")

    def follow(self, volumes) -> None:
        """Ask for the scans of the patient whose volumes the views show."""
        self._inputs.follow(volumes)
        self.update()

    def askFor(self, session) -> None:
        """Choose the scans that lesions were found on, if they are of the task that is chosen."""
        if session.record["task"] == self._parameters.task:
            self._take(session.volumeIds())

    def forget(self) -> None:
        """Forget choices, as the scene goes."""
        self._inputs.forget()

    def next(self) -> dict[str, str]:
        """The inputs (volume IDs by name) of a scan on which lesions were not looked for yet; empty if none."""
        task = self._parameters.task
        searched = [scanOf(node) for node in lesionsInScene() if taskOf(node) == task]
        return {} if self._parameters.node is None else self._inputs.next(searched)

    def takeNext(self, *_args) -> None:
        """Go on to a scan on which lesions were not looked for yet."""
        proposed = self.next()
        if proposed:
            self._take(proposed)
            self.chosen.emit(slicer.mrmlScene.GetNodeByID(proposed[TASKS[self._parameters.task].reviewed_on]))

    def proposeSoon(self) -> None:
        """Propose scans once the event that brought a new one is over: only then it has its name and image."""
        self._proposing.start()

    def propose(self) -> None:
        """Fill empty selectors with volumes that look right."""
        if self._parameters.node is not None:
            self._inputs.propose()
            self.update()

    def refreshModels(self) -> None:
        """List the models of the task; the first entry is the one in use."""
        task = self._parameters.task
        inUse = self._models.inUse(task) or _("none")
        self._choice.offer(_("In use: {model}").format(model=inUse), self._models.names(task))
        self.changed.emit()

    def showCard(self, *_args) -> None:
        """Show the card of the chosen model."""
        name = self.model or self._models.inUse(self._parameters.task)
        if name:
            openCard(name, self._say)

    def update(self) -> None:
        """Show which scans are asked for."""
        task = self._parameters.task
        for name in ALL_INPUTS:
            for part in ("Label", "Selector"):
                getattr(self.ui, f"{name}{part}").visible = name in TASKS[task].names
        isOptional = "flair" not in TASKS[task].required
        self.ui.flairLabel.text = _("FLAIR (optional):") if isOptional else _("FLAIR:")
        scan = self.next().get(TASKS[task].reviewed_on)
        self._nextButton.visible = scan is not None
        if scan is not None:
            name = slicer.mrmlScene.GetNodeByID(scan).GetName()
            self._nextButton.text = _("Next: {scan}").format(scan=name)
        self.changed.emit()

    def _parametersChanged(self) -> None:
        """React to another task or other scans."""
        if self._parameters.task != self._task:
            self._task = self._parameters.task
            self.refreshModels()
            self.propose()
        chosen = [] if slicer.mrmlScene.IsBatchProcessing() else self._inputs.byPerson()
        if chosen:
            self._inputs.propose()
            self.chosen.emit(chosen[-1])
        self.update()

    def _take(self, volumes) -> None:
        self._inputs.take({name: volumes.get(name) for name in TASKS[self._parameters.task].names})
