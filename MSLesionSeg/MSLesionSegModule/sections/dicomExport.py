"""The panel's button that writes a reviewed result as DICOM, into Slicer's database or a folder, and sends it."""

import tempfile
from pathlib import Path

from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from ..jobs.dicomExport import archives, exportArguments, knowsSeries, resultFolderOf, sendArguments
from ..jobs.job import DONE
from ..logic import MSLesionSegLogic
from ..scene.dicomSeries import addToDatabase, openDatabase
from ..widgets.dialogs import folderToSave
from ..widgets.say import Say


class DicomExport:
    """Maps the export of the session under review to two widgets of the review's form.

    Args:
        review: with ``ui``, its form, and ``takeEdits()``.

    Attributes:
        job: the one that runs, or None.
    """

    def __init__(self, logic: MSLesionSegLogic, review, say: Say) -> None:
        self.job = None
        self._logic = logic
        self._review = review
        self._say = say
        self._session = None
        self._names = [""]  # of the archives, in the order of the box
        self._button, self._archives = review.ui.dicomButton, review.ui.archiveComboBox
        self._button.clicked.connect(self.export)
        self.refresh()

    def refresh(self) -> None:
        """Look again at which archives are configured; the one that was chosen stays so."""
        chosen = self._names[max(self._archives.currentIndex, 0)]
        self._names = ["", *archives()]
        self._archives.clear()
        self._archives.addItem(_("do not send"))
        for name in self._names[1:]:
            self._archives.addItem(_("send to {archive}").format(archive=name))
        self._archives.currentIndex = self._names.index(chosen) if chosen in self._names else 0
        self._archives.visible = len(self._names) > 1

    def setSession(self, session) -> None:
        """The review that would be written."""
        self._session = session
        self.update()

    def update(self) -> None:
        """Show whether there is something to write."""
        problem = self._problem()
        self._button.enabled = not problem
        self._button.toolTip = problem or _(
            "Write lesions, measurements and page as DICOM (SEG, SR, PDF) into the study of the scan."
        )

    def export(self, *_args) -> None:
        """Write the review as DICOM."""
        self._review.takeEdits()
        session = self._session
        try:
            if not self._logic.packages.installDicom():
                return
            work = Path(tempfile.mkdtemp(prefix="dicom-", dir=self._logic.workFolder()))
            output = work / "dicom" if openDatabase() is not None else _chosenFolder()
            if output is None:
                return
            arguments = exportArguments(session, work, output)
        except (MSLesionSegError, OSError, RuntimeError) as error:
            self._say(str(error), error=True)
            return
        self._start(arguments, _("Writing DICOM..."), lambda outcome: self._written(outcome, output))

    def _problem(self) -> str:
        """Why nothing can be written now; empty where it can."""
        if self.job is not None:
            return _("The result is being written.")
        if self._session is None:
            return _("Find lesions first.")
        if resultFolderOf(self._session) is None:
            return _("The folder of this result is not there any more. Find lesions again.")
        if not knowsSeries(self._session):
            return _("This scan does not come from a DICOM series, so there is no study to write into.")
        return ""

    def _start(self, arguments: list[str], sentence: str, finished) -> None:
        self.job = self._logic.startCommand(arguments, finished)
        self._say(sentence)
        self.update()

    def _written(self, outcome, output: Path) -> None:
        self.job = None
        self.update()
        if outcome.state != DONE:
            self._say(outcome.sentence, error=True)
            return
        place = str(output)
        if openDatabase() is not None:
            addToDatabase(output)
            place = _("Slicer's DICOM database, in the study of the scan")
        told = _("DICOM files were written: {place}.").format(place=place)
        self._say(told)
        archive = self._names[self._archives.currentIndex]
        if archive:
            self._start(
                sendArguments(archive, output),
                _("Sending to {archive}...").format(archive=archive),
                lambda sent: self._sent(sent, archive, told),
            )

    def _sent(self, outcome, archive: str, told: str) -> None:
        self.job = None
        self.update()
        if outcome.state == DONE:
            self._say(told + " " + _("{archive} has taken them.").format(archive=archive))
        else:
            self._say(told + " " + outcome.sentence, error=True)


def _chosenFolder() -> Path | None:
    """Where a person wants the files, as there is no database."""
    chosen = folderToSave(_("Folder for the DICOM files"))
    return Path(chosen) / "dicom" if chosen else None
