"""The panel's fine-tuning: the button, progress with a live plot, and what the gate says about the new model."""

import qt
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from .. import texts
from ..jobs import caseCommands
from ..jobs.job import CANCELLED, CANCELLING, DONE
from . import modelStore, tables
from .modelSection import ModelSection
from .scorePlot import ScorePlot

_METRICS = ("sensitivity", "ppv", "dice", "false_positives")


class TrainSection(ModelSection):
    """``onModels()`` is called when there is a new model or another one is in use."""

    def __init__(self, ui, logic, say) -> None:
        super().__init__(ui.startComboBox, "startModel")
        self.ui = ui
        self.logic = logic
        self.onModels = lambda: None
        self._say = say
        self._job = None
        self._result = None
        self._shown = None  # the choices that the texts and the button were made for
        self._stage = ""
        self._plot = ScorePlot(ui.trainPlot)
        ui.trainButton.clicked.connect(self.toggle)
        ui.useNewButton.clicked.connect(self.useNew)
        ui.keepOldButton.clicked.connect(self.keepOld)
        self._busy(False)
        self._showGate(None)

    def toggle(self, *_args) -> None:
        """Start, or cancel what is running."""
        if self._job is None:
            self.start()
        else:
            self._job.cancel()
            self.ui.trainStageLabel.text = _("Cancelling...")
            self.ui.trainButton.enabled = False

    def start(self) -> None:
        """Fine-tune in the background."""
        self._trained = (caseCommands.casesFolder(), self.task)
        self._stage = ""
        self._showGate(None)
        self._plot.clear()
        self._job = self.logic.fineTune(
            caseCommands.casesFolder(),
            task=self.task,
            start=self._model.name or None,
            tune=self.parameters.tune.value,
            minutes=self.parameters.minutes,
            replay=self.parameters.replay,
            leaveOneOut=self.parameters.leaveOneOut,
            device=self.parameters.device.value,
            onEvent=self._event,
            onFinished=self._finished,
        )
        self._say(_("Training runs in the background. You can go on working."))
        self._busy(True)

    def useNew(self, *_args) -> None:
        """Put the new model in use, whatever the gate says."""
        from MSLesionSegLib.network.models.model_in_use import use_model

        self._decide(lambda: use_model(self._result["model"]), _("The new model is in use now."))

    def keepOld(self, *_args) -> None:
        """Stay with the old model, or go back to it."""
        from MSLesionSegLib.network.models.model_in_use import roll_back

        def keep() -> None:
            if modelStore.inUse(self._trained[1]) == self._result["model"]:
                roll_back(self._trained[1])

        self._decide(keep, _("The old model stays in use; the new one is in the list of models."))

    def parametersChanged(self) -> None:
        """React to another task, which has its own models and cases, and to another model to start from."""
        if self._shown is None or self._shown[0] != self.task:
            self.refreshModels()
        chosen = (self.task, self._model.name, *self._check())
        if self._shown != chosen:
            self._shown = chosen
            self.update()

    def refreshModels(self) -> None:
        """List the models to start from; the first entry is the one in use."""
        inUse = modelStore.inUse(self.task) or _("none")
        names = [member.card.name for member in modelStore.modelsFor(self.task)]
        self._model.offer(_("The model in use ({model})").format(model=inUse), names)

    def update(self) -> None:
        """Show how many cases are new and whether training can start."""
        if self.parameters is None:
            self._shown = None  # all of it is shown when the panel is bound again
            return
        folder = caseCommands.casesFolder()
        new = len(caseCommands.newCases(folder, self.task))
        self.ui.newCasesLabel.text = texts.newCasesText(new, len(caseCommands.listCases(folder, self.task)))
        if self._job is not None:
            return
        hasModel = bool(self._model.name or modelStore.inUse(self.task))
        patients = caseCommands.patientsToLearnFrom(folder, self.task)
        leaveOneOut, minutes = self._check()
        self.ui.leaveOneOutCheckBox.text = texts.leaveOneOutText(patients, minutes)
        apart = patients if leaveOneOut else None
        problem = texts.trainProblem(new, self.logic.packages.missing(self.task), hasModel, apart)
        self.ui.trainButton.enabled = not problem
        self.ui.trainButton.toolTip = problem or _(
            "Teach the model with the corrected cases, in the background."
        )

    def _check(self) -> tuple[bool, int]:
        """Whether patients are left out in turn, and the minutes of a training."""
        return self.parameters.leaveOneOut, self.parameters.minutes

    def _event(self, event) -> None:
        if event["event"] == "progress" and self._job is not None and self._job.state != CANCELLING:
            self.ui.trainProgressBar.value = round(100 * event["fraction"])
            self.ui.trainStageLabel.text = texts.progressText(event)
            if event["stage"] != self._stage:
                self._stage = event["stage"]
                self.ui.logText.appendPlainText(texts.stageText(event))
        elif event["event"] == "metric":
            self._plot.add(event["name"], event["step"], event["value"])
        elif event["event"] == "warning":
            self.ui.logText.appendPlainText(event["sentence"])

    def _finished(self, outcome) -> None:
        job, self._job = self._job, None
        for line in job.log if job is not None else ():
            self.ui.logText.appendPlainText(line)
        self._busy(False)
        if outcome.state == DONE:
            self._result = outcome.result
            caseCommands.rememberTrained(*self._trained)
            self._say(_("Training has ended. See what the gate says about the new model."))
            self._showGate(outcome.result)
        elif outcome.state == CANCELLED:
            self._say(outcome.sentence or _("Cancelled. The model in use stays."))
        else:
            self._say(outcome.sentence, error=True, details="\n".join(job.log) if job is not None else "")
        self.update()
        self.onModels()

    def _decide(self, action, sentence: str) -> None:
        try:
            action()
        except MSLesionSegError as error:
            self._say(str(error), error=True)
            return
        self._say(sentence)
        self.ui.useNewButton.visible = self.ui.keepOldButton.visible = False
        self.onModels()

    def _busy(self, running: bool) -> None:
        ui = self.ui
        ui.trainProgressBar.visible = running
        ui.trainProgressBar.value = 0
        ui.trainStageLabel.text = _("Starting...") if running else ""
        ui.trainStageLabel.visible = running
        ui.trainButton.text = _("Cancel") if running else _("Fine-tune")
        if running:
            ui.trainButton.enabled = True
            ui.trainButton.toolTip = _("Stop training. The model in use stays.")
            ui.trainPlot.visible = True

    def _showGate(self, result) -> None:
        ui = self.ui
        for widget in (ui.gateTable, ui.gateLabel, ui.useNewButton, ui.keepOldButton):
            widget.visible = result is not None
        if result is None:
            return
        gate = result["gate"]
        rows = [(_metricTitles()[name], gate["old"].get(name), gate["new"].get(name)) for name in _METRICS]
        rows += [
            (_("Dice at {site}").format(site=site["site"]), site["dice_old"], site["dice_new"])
            for site in gate["earlier_sites"]
        ]
        if gate["lesion_free"] is not None:
            values = (gate["lesion_free"][name] for name in ("old", "new"))
            rows.append((_("False lesions per lesion-free scan"), *values))
        table = ui.gateTable
        tables.prepare(table, ["", _("Old model"), _("New model")])
        table.rowCount = len(rows)
        for index, (title, *values) in enumerate(rows):
            table.setItem(index, 0, qt.QTableWidgetItem(title))
            for column, value in enumerate(values, start=1):
                table.setItem(index, column, qt.QTableWidgetItem("-" if value is None else f"{value:.2f}"))
        tables.stretch(table, 0)
        ui.gateLabel.text = gate["sentence"]
        promoted = result["in_use"] == result["model"]
        ui.useNewButton.text = _("Use the new model") if promoted else _("Use the new model anyway")
        ui.keepOldButton.text = _("Go back to the old model") if promoted else _("Keep the old model")
        ui.useNewButton.visible = not promoted


def _metricTitles() -> dict[str, str]:
    return {
        "sensitivity": _("Lesions found (sensitivity)"),
        "ppv": _("Marks that are lesions (PPV)"),
        "dice": _("Overlap (Dice)"),
        "false_positives": _("False lesions per scan"),
    }
