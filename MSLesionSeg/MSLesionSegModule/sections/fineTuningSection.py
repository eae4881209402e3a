"""The panel's fine-tuning: the button, progress with a live plot, and what the gate says about the new model."""

from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from .. import texts
from ..jobs.job import CANCELLED, DONE
from ..logic import MSLesionSegLogic
from ..parameters import BoundParameters
from ..storage.modelStore import ModelStore
from ..storage.trainingSet import TrainingSet, casesFolder, rememberTrained
from ..widgets.form import anyWidth, loadForm
from ..widgets.jobRow import JobRow
from ..widgets.messageLine import MessageLine
from .gateTable import showGate
from .modelChoice import ModelChoice
from .scorePlot import ScorePlot


class FineTuningSection:
    """Maps a training, and the decision on the model that it made, to widgets. ``log`` receives its stages."""

    def __init__(
        self,
        logic: MSLesionSegLogic,
        cases: TrainingSet,
        models: ModelStore,
        parameters: BoundParameters,
        log,
    ) -> None:
        self.widget, self.ui = loadForm("FineTuning")
        self._logic = logic
        self._cases = cases
        self._models = models
        self._parameters = parameters
        self._say = MessageLine(self.ui.trainMessageLabel)
        self._result = self._task = self._trained = None  # of the last training
        self._shown = None  # the choices that the texts and the button were made for
        ui = self.ui
        anyWidth(ui.tuneComboBox)
        self._choice = ModelChoice(ui.startComboBox, parameters, "startModel")
        self._plot = ScorePlot()
        layout = ui.trainCollapsibleButton.layout()
        layout.insertWidget(layout.indexOf(ui.trainMessageLabel), self._plot)
        self.row = JobRow(ui.trainButton, ui.trainProgressBar, ui.trainStageLabel, log, self.start)
        ui.useNewButton.clicked.connect(self.useNew)
        ui.keepOldButton.clicked.connect(self.keepOld)
        parameters.changed.connect(self._parametersChanged)
        models.changed.connect(self.refreshModels)
        cases.changed.connect(self.update)
        self._showGate(None)

    def start(self) -> None:
        """Fine-tune in the background."""
        node, task = self._parameters.node, self._parameters.task
        self._task, self._trained = task, self._cases.asTrained(task)
        self._showGate(None)
        self._plot.begin(self._cases.hasValidation(task))
        job = self._logic.fineTune(
            casesFolder(),
            task=task,
            start=self._choice.name or None,
            tune=node.tune.value,
            minutes=node.minutes,
            replay=node.replay,
            leaveOneOut=node.leaveOneOut,
            device=node.device.value,
            onEvent=self._event,
            onFinished=self._finished,
        )
        self.row.begin(job, _("Stop training. The model in use stays."))
        self._say(_("Training runs in the background. You can go on working."))

    def useNew(self, *_args) -> None:
        """Put the new model in use, whatever the gate says."""
        from MSLesionSegLib.network.models.model_in_use import use_model

        self._decide(lambda: use_model(self._result["model"]), _("The new model is in use now."))

    def keepOld(self, *_args) -> None:
        """Stay with the old model, or go back to it."""
        from MSLesionSegLib.network.models.model_in_use import model_in_use, roll_back

        def keep() -> None:
            if model_in_use(self._task) == self._result["model"]:
                roll_back(self._task)

        self._decide(keep, _("The old model stays in use; the new one is in the list of models."))

    def refreshModels(self) -> None:
        """List the models to start from; the first entry is the one in use."""
        self._offerModels()
        self.update()
        if self._result is not None and self._models.inUse(self._task) != self._result["in_use"]:
            self._offerDecision(False)  # it was made elsewhere

    def update(self) -> None:
        """Show how many cases are new and whether training can start."""
        node, task, cases = self._parameters.node, self._parameters.task, self._cases
        if node is None:
            self._shown = None  # all of it is shown when the panel is bound again
            return
        new, patients = len(cases.newCases(task)), cases.patientsToLearnFrom(task)
        reading = texts.readingText() if cases.reading else ""
        self.ui.newCasesLabel.text = reading or texts.newCasesText(new, len(cases.cases(task)))
        self.ui.leaveOneOutCheckBox.text = texts.leaveOneOutText(patients, node.minutes)
        problem = reading or texts.trainProblem(
            new,
            self._logic.packages.missing(task),
            self._models.reading or bool(self._choice.name or self._models.inUse(task)),
            patients if node.leaveOneOut else None,
        )
        self.row.offer(problem, _("Teach the model with the corrected cases, in the background."))

    def _offerModels(self) -> None:
        task = self._parameters.task
        inUse = self._models.inUse(task) or _("none")
        self._choice.offer(_("The model in use ({model})").format(model=inUse), self._models.names(task))

    def _parametersChanged(self) -> None:
        """React to another task, which has its own models and cases, and to another model to start from."""
        node, task = self._parameters.node, self._parameters.task
        if self._shown is None or self._shown[0] != task:
            self._offerModels()
        chosen = (task, self._choice.name, node.leaveOneOut, node.minutes)
        if self._shown != chosen:
            self._shown = chosen
            self.update()

    def _event(self, event) -> None:
        self.row.event(event)
        if event["event"] == "metric":
            self._plot.add(event["name"], event["step"], event["value"])

    def _finished(self, outcome) -> None:
        details = self.row.end()
        if outcome.state == DONE:
            self._result = outcome.result
            rememberTrained(*self._trained)
            self._say(_("Training has ended. See what the gate says about the new model."))
            self._showGate(outcome.result)
        elif outcome.state == CANCELLED:
            self._say(outcome.sentence or _("Cancelled. The model in use stays."))
        else:
            self._say(outcome.sentence, error=True, details=details)
        self.update()
        self._models.look()

    def _decide(self, action, sentence: str) -> None:
        try:
            action()
        except MSLesionSegError as error:
            self._say(str(error), error=True)
            return
        self._say(sentence)
        self._offerDecision(False)
        self._models.look()

    def _showGate(self, result) -> None:
        """Show the verdict of a training and ask for the person's, or show none."""
        ui = self.ui
        ui.gateTable.visible = ui.gateLabel.visible = result is not None
        self._offerDecision(result is not None)
        if result is None:
            return
        showGate(ui.gateTable, result["gate"])
        self._plot.end(result["gate"]["new"])
        ui.gateLabel.text = result["gate"]["sentence"]
        promoted = result["in_use"] == result["model"]
        ui.useNewButton.text = _("Keep the new model") if promoted else _("Use the new model anyway")
        ui.keepOldButton.text = _("Go back to the old model") if promoted else _("Keep the old model")

    def _offerDecision(self, offered: bool) -> None:
        self.ui.useNewButton.visible = self.ui.keepOldButton.visible = offered
