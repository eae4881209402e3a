"""The panel's button that writes a reviewed result as DICOM, into Slicer's database or a folder, and sends it."""

import hashlib
import tempfile
from pathlib import Path

from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from ..jobs.dicomExport import archives, exportArguments, knowsSeries, resultFolderOf, sendArguments
from ..jobs.job import CANCELLED, DONE
from ..logic import MSLesionSegLogic
from ..scene.dicomSeries import addToDatabase, liesInDatabase, openDatabase, wasSeries
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
        self._exports: dict[str, Path] = {}  # folders of what lies in the database, by digest of the lesions
        self._names = [""]  # of the archives, in the order of the box
        self._button, self._archives = review.ui.dicomButton, review.ui.archiveComboBox
        self._title = self._button.text
        self._button.clicked.connect(self.toggle)
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
        """Show whether there is something to write, or to cancel."""
        running = self.job is not None
        problem = "" if running else self._problem()
        self._archives.enabled = not running
        self._button.text = _("Cancel") if running else self._title
        self._button.enabled = not problem
        self._button.toolTip = problem or (
            _("Stop. What an archive has taken stays there.")
            if running
            else _("Write lesions, measurements and page as DICOM (SEG, SR, PDF) into the study of the scan.")
        )

    def toggle(self, *_args) -> None:
        """Write the review, or cancel what is running."""
        if self.job is None:
            self.export()
        else:
            self.job.cancel()
            self._button.enabled = False

    def export(self) -> None:
        """Write the review as DICOM."""
        self._review.takeEdits()
        session = self._session
        try:
            if not self._logic.packages.installDicom():
                return
            database, digest = openDatabase(), _digest(session)
            known = self._exports.get(digest)
            if database is not None and known is not None and liesInDatabase(known, database):
                self._deliver(known, _("Slicer's DICOM database holds these lesions already."))
                return
            work = Path(tempfile.mkdtemp(prefix="dicom-", dir=self._logic.workFolder()))
            output = _chosenFolder() if database is None else work / "dicom"
            if output is None:
                return
            arguments = exportArguments(session, work, output)
        except (MSLesionSegError, OSError, RuntimeError) as error:
            self._say(str(error), error=True)
            return
        self._start(
            arguments,
            _("Writing DICOM..."),
            lambda outcome: self._written(outcome, output, database, digest),
        )

    def _problem(self) -> str:
        """Why nothing can be written now; empty where it can."""
        if self._session is None:
            return _("Find lesions first.")
        if resultFolderOf(self._session) is None:
            return _("The folder of this result is not there any more. Find lesions again.")
        if knowsSeries(self._session):
            return ""
        if wasSeries(self._session.volume):
            return _(
                "The DICOM series of this scan lies in no open database, or the scan was changed after loading."
            )
        return _("This scan does not come from a DICOM series, so there is no study to write into.")

    def _start(self, arguments: list[str], sentence: str, finished) -> None:
        self.job = self._logic.startCommand(arguments, finished)
        self._say(sentence)
        self.update()

    def _written(self, outcome, output: Path, database, digest: str) -> None:
        self._end()
        if outcome.state != DONE:
            self._fail(outcome)
            return
        place = str(output)
        if database is not None:
            try:
                addToDatabase(output, database)
            except MSLesionSegError as error:
                self._say(str(error), error=True)
                return
            self._exports[digest] = output
            place = _("Slicer's DICOM database, in the study of the scan")
        self._deliver(output, _("DICOM files were written: {place}.").format(place=place))

    def _deliver(self, output: Path, told: str) -> None:
        """Tell where the files are, and send them to the archive that is chosen."""
        self._say(told)
        archive = self._names[self._archives.currentIndex]
        if archive:
            self._start(
                sendArguments(archive, output),
                told + " " + _("Sending to {archive}...").format(archive=archive),
                lambda sent: self._sent(sent, archive, told),
            )

    def _sent(self, outcome, archive: str, told: str) -> None:
        self._end()
        if outcome.state == DONE:
            self._say(told + " " + _("{archive} has taken them.").format(archive=archive))
        else:
            self._fail(outcome, told + " ")

    def _end(self) -> None:
        self.job = None
        self.update()

    def _fail(self, outcome, told: str = "") -> None:
        self._say(told + (outcome.sentence or _("Cancelled.")), error=outcome.state != CANCELLED)


def _digest(session) -> str:
    """What tells two exports apart: the result, and the lesions that the review left."""
    labels = session.review.labels
    return hashlib.sha256(session.record["result"].encode() + labels.tobytes()).hexdigest()


def _chosenFolder() -> Path | None:
    """Where a person wants the files, as there is no database."""
    chosen = folderToSave(_("Folder for the DICOM files"))
    return Path(chosen) / "dicom" if chosen else None
