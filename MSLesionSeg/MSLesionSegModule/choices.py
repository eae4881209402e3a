"""What a person can choose from; the labels that Slicer's parameter node shows come from ``label``."""

import enum

from slicer.i18n import tr as _

from MSLesionSegLib.tasks import TASKS


class TaskChoice(enum.Enum):
    """The tasks of the core."""

    flair = "flair"
    new = "new"
    enhancing = "enhancing"

    def label(self) -> str:
        return {
            "flair": _("All lesions (FLAIR)"),
            "new": _("New lesions (baseline and follow-up)"),
            "enhancing": _("Enhancing lesions (T1 before and after)"),
        }[self.value]


class DeviceChoice(enum.Enum):
    """What computes."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"

    def label(self) -> str:
        return {"auto": _("Auto"), "cpu": _("CPU"), "cuda": _("NVIDIA GPU")}[self.value]


class OrderChoice(enum.Enum):
    """Orders of the lesion table."""

    uncertain = "least certain first"
    new = "new first"
    largest = "largest first"

    def label(self) -> str:
        return {
            "uncertain": _("Least certain first"),
            "new": _("New first"),
            "largest": _("Largest first"),
        }[self.name]


class TuneChoice(enum.Enum):
    """Parts of the network that learn."""

    all = "all"
    decoder = "decoder"
    last = "last"

    def label(self) -> str:
        return {
            "all": _("The whole network"),
            "decoder": _("The decoder (faster)"),
            "last": _("The last levels (fastest)"),
        }[self.value]


ALL_INPUTS = tuple(dict.fromkeys(name for task in TASKS.values() for name in task.names))


def inputTitle(name: str) -> str:
    """What an input is called towards people."""
    return {
        "flair": _("FLAIR"),
        "baseline": _("baseline FLAIR"),
        "followup": _("follow-up FLAIR"),
        "pre": _("T1 before contrast"),
        "post": _("T1 after contrast"),
    }[name]
