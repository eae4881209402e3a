"""The module's keys: what each does, and when somebody else in Slicer needs it."""

from collections.abc import Callable, Mapping

import qt
import slicer
from slicer.i18n import tr as _

# Slicer's slice views take B, F, G, R, T and V, markups S; what effects of the editor take is left to them meanwhile
_NEEDED = {"Draw": ("A", "X", "Return")}


def listed() -> dict[str, str]:
    """What every key does, by its name."""
    return {
        "N": _("go to the next lesion of the table"),
        "P": _("go to the previous lesion of the table"),
        "O": _("go to the next lesion that is not reviewed"),
        "A": _("accept: this is a lesion; goes on to the next one that is not reviewed"),
        "C": _("cross out (reject): this is none; goes on to the next one that is not reviewed"),
        "E": _("edit: takes a brush to correct the lesion with; the tools appear above the table"),
        "D": _("draw around voxels to add; the right button closes the outline"),
        "S": _("erase with the brush"),
        "M": _("missed here: marks the lesion that the mouse points at"),
        "H": _("hide the lesions as long as it is held; a short tap hides or shows them"),
        "L": _("lesions in 3D: shows or hides their surfaces; a click on one goes to it"),
        "Space": _("show the whole brain, or the lesion from near again"),
        "W": _("window: all of the brain, what is bright, Slicer's own"),
        "X": _("exchange the two scans (baseline and follow-up, or before and after) in the views"),
        "U": _("undo the last decision, correction or stroke; Z does the same"),
        "Z": _("undo, as U"),
        "1": _("Paint"),
        "2": _("Draw; while it is active A and X close and edit its outline"),
        "3": _("Erase"),
        "4": _("Threshold"),
        "5": _("Islands"),
        "6": _("Smoothing"),
        "Esc": _("put the tool away"),
        "?": _("show these keys"),
    }


def helpText() -> str:
    """All keys as a list (HTML)."""
    lines = "".join(f"<li><b>{key}</b>: {does}</li>" for key, does in listed().items())
    return "<p>" + _("Keys while this module is open:") + f"</p><ul>{lines}</ul>"


def showKeys(*_args) -> None:
    """Show all keys to the person."""
    slicer.util.infoDisplay(helpText())


class Keys:
    """Calls ``actions``, by the name of their key, when a key is pressed in a window."""

    def __init__(self, actions: Mapping[str, Callable]) -> None:
        self._actions = actions
        self._shortcuts = {}

    def listen(self, window) -> None:
        """Listen to the keys in a window."""
        self.stop()
        for key, action in self._actions.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), window)
            shortcut.activated.connect(action)
            self._shortcuts[key] = shortcut

    def stop(self) -> None:
        """Leave the keys to others."""
        for shortcut in self._shortcuts.values():
            shortcut.enabled = False
            shortcut.deleteLater()
        self._shortcuts = {}

    def giveWay(self, effect: str) -> None:
        """Leave to an effect of the editor the keys that it needs; to none, with an empty name."""
        for key, shortcut in self._shortcuts.items():
            shortcut.enabled = key not in _NEEDED.get(effect, ())
