"""What the colours of outlines and surfaces mean."""

from slicer.i18n import tr as _

from ..scene.segments import CLASSES, stateTitle


def legend(task) -> str:
    """The states of a task's lesions beside their colours, and the outline of before (HTML)."""
    states = [
        f'<span style="background-color:{_hex(CLASSES[state].colour)}">&nbsp;&nbsp;&nbsp;</span>'
        f"&nbsp;{stateTitle(state)}"
        for state in task.states
    ]
    return " ".join([*states, "&#9633;&nbsp;" + _("Earlier")])  # in white


def _hex(colour) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)
