"""The task table: everything in which the tasks differ is a row here."""

from __future__ import annotations

from dataclasses import dataclass

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.imaging.normalise import PAIR_TAILS
from MSLesionSegLib.network.models.card_checks import TASK_CHANNELS


@dataclass(frozen=True)
class InputScan:
    """A scan that a task asks for.

    Attributes:
        name: key of the input and of the command-line option, e.g. ``flair``.
        sequence: what the reader checks its contrast against: ``FLAIR`` or ``T1w``.
        title: what it is called towards people.
        required: whether the task cannot do without it.
    """

    name: str
    sequence: str
    title: str
    required: bool = True


@dataclass(frozen=True)
class Task:
    """One kind of lesion to look for.

    Attributes:
        name: key of the task; a model's card must name the same one.
        title: what is looked for, as a person would say it.
        kind: what sets these lesions apart from all, for sentences such as "2 enhancing lesions"; may be empty.
        inputs: scans of one session.
        reference: the input whose voxel grid the results lie on; the others are registered to it.
        channels: the network's input channels in order, by name of the scan (or of what is made from it).
        default_model: shipped model that is used unless the person puts another one in use or names one.
        tails: how the channels are scaled, see :func:`~MSLesionSegLib.imaging.normalise.zscore`.
        before_after: the scans before and after gadolinium; they must differ and be given in this order.
        confirmed_on: optional scan that shows true lesions bright; those that it does not show get a remark.
    """

    name: str
    title: str
    kind: str
    inputs: tuple[InputScan, ...]
    reference: str
    channels: tuple[str, ...]
    default_model: str
    tails: float = 0.0
    before_after: tuple[str, str] | None = None
    confirmed_on: str | None = None

    def scan(self, name: str) -> InputScan:
        """The input of that name."""
        return next(scan for scan in self.inputs if scan.name == name)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="flair",
            title="All white-matter lesions on one FLAIR",
            kind="",
            inputs=(InputScan("flair", "FLAIR", "FLAIR"),),
            reference="flair",
            channels=TASK_CHANNELS["flair"][0],
            default_model="flair-ms",
        ),
        Task(
            name="new",
            title="New lesions between two FLAIRs",
            kind="new",
            inputs=(
                InputScan("baseline", "FLAIR", "baseline FLAIR"),
                InputScan("followup", "FLAIR", "follow-up FLAIR"),
            ),
            reference="baseline",
            channels=TASK_CHANNELS["new"][0],
            default_model="new-ms",
        ),
        Task(
            name="enhancing",
            title="Enhancing lesions on T1 before and after gadolinium",
            kind="enhancing",
            inputs=(
                InputScan("pre", "T1w", "T1 before gadolinium"),
                InputScan("post", "T1w", "T1 after gadolinium"),
                InputScan("flair", "FLAIR", "FLAIR", required=False),
            ),
            reference="post",
            channels=TASK_CHANNELS["enhancing"][0],
            default_model="enhancing-ms",
            tails=PAIR_TAILS,
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


def model_in_use(task: str) -> str:
    """Name of the model that a task takes unless another one is named: the person's choice, or the shipped one."""
    from MSLesionSegLib.network.models.model_in_use import active_model

    return active_model(task) or get_task(task).default_model
