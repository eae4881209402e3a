"""The line of the panel on which its parts speak to the person."""

import qt
import slicer


class MessageLine:
    """Shows a sentence; also at the mouse where the line is out of sight. Details of an error come in a box."""

    def __init__(self, label) -> None:
        self._label = label
        self("")

    def __call__(self, sentence: str, error: bool = False, details: str = "") -> None:
        self._label.text = sentence
        self._label.styleSheet = "font-weight: bold" if error else ""
        self._label.visible = bool(sentence)
        if error and details:
            slicer.util.errorDisplay(sentence, detailedText=details)
        elif sentence and self._label.visibleRegion().isEmpty():
            qt.QToolTip.showText(qt.QCursor.pos(), sentence)
