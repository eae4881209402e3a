"""What a review hands on: sentences to dictate, and the table as a file."""

import slicer
from slicer.i18n import tr as _

from ..widgets.dialogs import fileToSave


class ExportRow:
    """Two buttons below the table of a review section."""

    def __init__(self, ui, review, say) -> None:
        self._review = review
        self._say = say
        ui.copyButton.clicked.connect(self.copyText)
        ui.saveTableButton.clicked.connect(self.saveTable)

    def copyText(self, *_args) -> None:
        """Copy the findings as sentences to dictate."""
        from MSLesionSegLib.lesions.table import dictation

        self._review.takeEdits()
        session = self._review.session
        text = dictation(session.review.lesions, session.review.rule, session.task.kind)
        slicer.app.clipboard().setText(text)
        done, total = session.review.progress
        text = _("The findings were copied as text.")
        if done < total:
            text += " " + _("{n} of {total} lesions are not reviewed.").format(n=total - done, total=total)
        self._say(text)

    def saveTable(self, *_args) -> None:
        """Save the table as it stands on the screen."""
        from MSLesionSegLib.review.review_table import write_rows

        self._review.takeEdits()
        path = fileToSave(_("Save table"), "lesions.csv", "CSV (*.csv)")
        if not path:
            return
        try:
            write_rows(self._review.place.rows, path)
        except OSError as error:
            self._say(_("The table could not be saved: {reason}.").format(reason=error.strerror), error=True)
            return
        self._say(_("The table was saved."))
