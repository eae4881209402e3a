"""The task table: everything in which the tasks differ is a row here.

It stands below all that reads it, from the intensities of scans and the states of lesions to the panel, and imports
nothing but errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from MSLesionSegLib.errors import SettingsError

MRSequence = Literal["FLAIR", "T1w"]


@dataclass(frozen=True)
class InputScan:
    """A scan that a task asks for.

    Attributes:
        name: key of the input and of the command-line option, e.g. ``flair``.
        suffix: end of its file name in BIDS.
        title: what it is called towards people.
        required: whether the task cannot do without it.
        visit: 0 for the first examination, 1 for the next.
    """

    name: str
    suffix: str
    title: str
    required: bool = True
    visit: int = 0

    @property
    def sequence(self) -> MRSequence:
        """What the reader checks its contrast against."""
        return "T1w" if self.suffix.endswith("T1w") else "FLAIR"


@dataclass(frozen=True)
class Task:
    """One kind of lesion to look for.

    Attributes:
        name: key of the task; a model's card must name the same one.
        title: what is looked for, as a person would say it.
        kind: what sets these lesions apart from all, for sentences such as "2 enhancing lesions"; may be empty.
        inputs: its scans.
        reference: the input that the others are registered to.
        reviewed_on: the input on whose voxels a person reviews the lesions.
        channels: the network's input channels in order, by name of the scan (or of what is made from it).
        other_channels: what else a card may call or ask for.
        label: what the mask of a training case shows, as in its BIDS file name.
        states: what may become of a lesion; an image of states holds their places, from 1 on.
        reviewed_states: those that a person decides upon; the others are shown beside them.
        default_model: shipped model that is used unless the person puts another one in use or names one.
        winsorise_percent: how the channels are scaled, see :func:`~MSLesionSegLib.imaging.normalization.zscore`.
        before_after: the scans before and after gadolinium; they must differ and be given in this order.
        confirmed_on: optional scan that shows true lesions bright; those that it does not show get a remark.
        lesions_by: for two visits, the task whose model finds the lesions of each.
    """

    name: str
    title: str
    kind: str
    inputs: tuple[InputScan, ...]
    reference: str
    reviewed_on: str
    channels: tuple[str, ...]
    label: str
    states: tuple[str, ...]
    reviewed_states: tuple[str, ...]
    default_model: str
    other_channels: tuple[tuple[str, ...], ...] = ()
    winsorise_percent: float = 0.0
    before_after: tuple[str, str] | None = None
    confirmed_on: str | None = None
    lesions_by: str | None = None

    def scan(self, name: str) -> InputScan:
        """The input of that name."""
        return next(scan for scan in self.inputs if scan.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all inputs."""
        return tuple(scan.name for scan in self.inputs)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the inputs that it cannot do without."""
        return tuple(scan.name for scan in self.inputs if scan.required)

    @property
    def compares(self) -> bool:
        """Whether it compares two visits."""
        return any(scan.visit for scan in self.inputs)

    @property
    def registers(self) -> bool:
        """Whether scans are registered to its reference."""
        return len(self.inputs) > 1

    @property
    def grids(self) -> tuple[str, ...]:
        """Inputs on whose voxels the mask of a case may lie."""
        return tuple(dict.fromkeys((self.reference, self.reviewed_on)))

    @property
    def models(self) -> dict[str, str]:
        """The tasks of its models, by what requests and results call the model."""
        return {"model": self.name} | ({"flair_model": self.lesions_by} if self.lesions_by else {})

    def reviewed_file(self, role: str) -> str:
        """Role of a file of its results on the voxels of the reviewed scan, such as its mask."""
        return f"{self.reviewed_on}_{role}" if self.compares else role


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="flair",
            title="All white-matter lesions on one FLAIR",
            kind="",
            inputs=(InputScan("flair", "FLAIR", "FLAIR"),),
            reference="flair",
            reviewed_on="flair",
            channels=("flair",),
            label="lesion",
            states=("lesion",),
            reviewed_states=("lesion",),
            default_model="flair-ms",
        ),
        Task(
            name="new",
            title="New lesions between two FLAIRs",
            kind="new or enlarged",
            inputs=(
                InputScan("baseline", "FLAIR", "baseline FLAIR"),
                InputScan("followup", "FLAIR", "follow-up FLAIR", visit=1),
            ),
            reference="baseline",
            reviewed_on="followup",
            channels=("subtraction",),
            other_channels=(("subtraction", "baseline", "follow-up"),),
            label="newlesion",
            states=("new", "enlarged", "stable", "shrunken", "vanished"),
            reviewed_states=("new", "enlarged"),
            default_model="new-ms",
            lesions_by="flair",
        ),
        Task(
            name="enhancing",
            title="Enhancing lesions on T1 before and after gadolinium",
            kind="enhancing",
            inputs=(
                InputScan("pre", "T1w", "T1 before gadolinium"),
                InputScan("post", "ce-gadolinium_T1w", "T1 after gadolinium"),
                InputScan("flair", "FLAIR", "FLAIR", required=False),
            ),
            reference="post",
            reviewed_on="post",
            channels=("pre", "post"),
            other_channels=(("t1 before gadolinium", "t1 after gadolinium"),),
            label="enhancing",
            states=("enhancing",),
            reviewed_states=("enhancing",),
            default_model="enhancing-ms",
            winsorise_percent=2.0,
            before_after=("pre", "post"),
            confirmed_on="flair",
        ),
    )
}


def get_task(name: str) -> Task:
    """Return a row of the table.

    Raises:
        SettingsError: no such task.
    """
    if name not in TASKS:
        raise SettingsError(f"There is no task '{name}'. Known tasks: {', '.join(TASKS)}.")
    return TASKS[name]
