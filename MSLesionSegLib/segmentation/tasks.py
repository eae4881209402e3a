"""The task table: everything in which the tasks differ is a row here."""

from __future__ import annotations

from dataclasses import dataclass

from MSLesionSegLib.errors import SettingsError


@dataclass(frozen=True)
class InputScan:
    """A scan that a task asks for.

    Attributes:
        name: key of the input and of the command-line option, e.g. ``flair``.
        sequence: what the reader checks its contrast against: ``FLAIR`` or ``T1w``.
        title: what it is called towards people.
    """

    name: str
    sequence: str
    title: str


@dataclass(frozen=True)
class Task:
    """One kind of lesion to look for.

    Attributes:
        name: key of the task; a model's card must name the same one.
        title: what is looked for, as a person would say it.
        inputs: scans that must be given.
        reference: the input whose voxel grid the results lie on.
        channels: the network's input channels in order, by name of the scan (or of what is made from it).
        default_model: shipped model that is used unless the person puts another one in use or names one.
    """

    name: str
    title: str
    inputs: tuple[InputScan, ...]
    reference: str
    channels: tuple[str, ...]
    default_model: str


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="flair",
            title="All white-matter lesions on one FLAIR",
            inputs=(InputScan("flair", "FLAIR", "FLAIR"),),
            reference="flair",
            channels=("flair",),
            default_model="flair-ms",
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
    from MSLesionSegLib.network.active import active_model

    return active_model(task) or get_task(task).default_model
