"""The panel's models: the family tree, putting one in use, going back, taking over and handing on."""

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from ..jobs.job import DONE
from ..logic import MSLesionSegLogic
from ..storage.modelStore import ModelStore, cardPage
from ..widgets import tables
from ..widgets.dialogs import fileToOpen, fileToSave, nameToGive
from ..widgets.form import loadForm
from ..widgets.messageLine import MessageLine
from ..widgets.say import Say
from .packagesSection import PackagesSection


class ModelsSection:
    """Maps the models of this computer to widgets."""

    def __init__(self, logic: MSLesionSegLogic, models: ModelStore, packages: PackagesSection) -> None:
        self.widget, self.ui = loadForm("Models")
        self._logic = logic
        self._models = models
        self.job = None  # that imports or exports
        self._say = MessageLine(self.ui.modelsMessageLabel)
        self._members = []
        ui, table = self.ui, self.ui.modelTable
        tables.prepare(table, [_("Model"), _("Task"), _("In use"), _("Date")])
        for column in (1, 2, 3):
            tables.fit(table, column)
        tables.stretch(table, 0)
        table.itemSelectionChanged.connect(self._update)
        for button, action in (
            (ui.useModelButton, self.use),
            (ui.rollbackButton, self.rollBack),
            (ui.showCardButton, self.showCard),
            (ui.importModelButton, self.importModel),
            (ui.exportModelButton, self.exportModel),
        ):
            button.clicked.connect(action)
        packages.changed.connect(models.look)
        models.changed.connect(self.refresh)

    def refresh(self) -> None:
        """Show the models that were read."""
        self._members = [member for member in self._models.family if member.card.task != "brain"]
        table = self.ui.modelTable
        table.rowCount = len(self._members)
        for index, member in enumerate(self._members):
            cells = (
                "    " * member.depth + member.card.name,
                member.card.task,
                _("yes") if member.in_use else "",
                member.card.created[:10],
            )
            for column, text in enumerate(cells):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(f"{member.card.name}: {member.card.description}")
                table.setItem(index, column, item)
        self._update()

    def use(self, *_args) -> None:
        """Put the selected model in use."""
        from MSLesionSegLib.network.models.model_in_use import use_model

        name = self._selected().card.name
        self._try(lambda: use_model(name), _("{model} is in use now.").format(model=name))

    def rollBack(self, *_args) -> None:
        """Go back to the model that was in use before, for the task of the selected model."""
        from MSLesionSegLib.network.models.model_in_use import model_in_use, roll_back

        task = self._selected().card.task
        if self._try(lambda: roll_back(task)):
            self._say(_("{model} is in use again.").format(model=model_in_use(task)))

    def showCard(self, *_args) -> None:
        """Open the selected model's card."""
        openCard(self._selected().card.name, self._say)

    def importModel(self, *_args) -> None:
        """Take over a model from a file, under a name that the person may change."""
        from MSLesionSegLib.network.models.import_export import proposed_name

        path = fileToOpen(_("Import model"), "MSLesionSeg (*.zip)")
        if not path:
            return
        try:
            proposed = proposed_name(Path(path))
        except (MSLesionSegError, OSError) as error:
            self._say(str(error), error=True)
            return
        name = nameToGive(_("Import model"), _("Name of the model on this computer:"), proposed)
        if name:
            done = _("The model was imported as {model}.").format(model=name)
            self.job = self._logic.importModel(path, name, lambda outcome: self._ended(outcome, done))
            self._begun(_("Importing the model..."))

    def exportModel(self, *_args) -> None:
        """Save the selected model as one file."""
        name = self._selected().card.name
        path = fileToSave(_("Export model"), f"{name}.zip", "MSLesionSeg (*.zip)")
        if path:
            done = _("The model was saved.")
            self.job = self._logic.exportModel(name, path, lambda outcome: self._ended(outcome, done))
            self._begun(_("Saving the model..."))

    def _begun(self, sentence: str) -> None:
        self._say(sentence)
        self._update()

    def _ended(self, outcome, sentence: str) -> None:
        self.job = None
        failed = outcome.state != DONE
        self._say(outcome.sentence if failed else sentence, error=failed)
        self._update()
        self._models.look()

    def _selected(self):
        index = self.ui.modelTable.currentRow()
        return self._members[index] if 0 <= index < len(self._members) else None

    def _update(self) -> None:
        """Let buttons be pressed that can do something, and the others say why not."""
        member, ui = self._selected(), self.ui
        busy = _("Wait until the running step has ended.") if self.job is not None else ""
        nothing = _("Select a model first.") if member is None else ""
        inUse = _("This model is in use.") if member is not None and member.in_use else ""
        first = member is not None and not self._models.canRollBack(member.card.task)
        for button, problem, tip in (
            (ui.useModelButton, nothing or inUse, _("Find lesions with the selected model from now on.")),
            (
                ui.rollbackButton,
                nothing or (_("The shipped model is in use: there is none before it.") if first else ""),
                _("Go back to the model that was used before."),
            ),
            (
                ui.importModelButton,
                busy,
                _("Take over a model from a file. Only safetensors weights are accepted."),
            ),
            (ui.showCardButton, nothing, _("Show how the selected model was trained and measured.")),
            (
                ui.exportModelButton,
                busy or nothing,
                _("Save the selected model as one file, to give to another hospital."),
            ),
        ):
            button.enabled = not problem
            button.toolTip = problem or tip

    def _try(self, action, sentence: str = "") -> bool:
        try:
            action()
        except MSLesionSegError as error:
            self._say(str(error), error=True)
            return False
        if sentence:
            self._say(sentence)
        self._models.look()
        return True


def openCard(name: str, say: Say) -> None:
    """Open a model's card in the web browser; say where it lies if there is none, or why it cannot be read."""
    try:
        page = cardPage(name)
    except (MSLesionSegError, OSError) as error:
        say(str(error), error=True)
        return
    if slicer.app.testingEnabled() or not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(page))):
        say(_("The card was written to {file}. Open it in a web browser.").format(file=page))
