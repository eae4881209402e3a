"""Options that several commands share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to make for the result.")]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="Model name, or a folder such as ./mine (default: the one in use)."),
]
FlairModel = Annotated[
    str | None, typer.Option(help="Model that finds the lesions on each scan (default: the one in use).")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Threshold = Annotated[
    float | None, typer.Option(help="Probability from which a voxel is lesion (default: model card).")
]
MinVolume = Annotated[
    float | None, typer.Option("--min-volume", help="Drop smaller lesions, in mm3 (default: model card).")
]
MinPeak = Annotated[
    float | None,
    typer.Option(
        "--min-peak",
        help="Drop lesions that nowhere reach this probability; the others keep their outline (default: model card).",
    ),
]
BrainMask = Annotated[Path | None, typer.Option(help="Brain mask on the grid of the scan (default: found).")]
Series = Annotated[
    list[str] | None,
    typer.Option(
        help="Which DICOM series to take: number, UID or description; of several scans with the scan's name before "
        "it, such as pre=4; can be repeated (default: found by what the series are)."
    ),
]
Dicom = Annotated[
    bool,
    typer.Option(
        "--dicom", help="Write the result as DICOM too, for the study of the scan (see dicom export)."
    ),
]
LesionLabel = Annotated[
    str | None,
    typer.Option(
        help="Which label of a mask with several is the lesion: 2, or 2,3, or all if each is a lesion of its own."
    ),
]
Mirroring = Annotated[
    bool | None,
    typer.Option(
        "--mirroring/--no-mirroring",
        "--flips/--no-flips",  # the name before
        help="Average over mirrored inputs: fewer false lesions and an uncertainty map, but four times as long in "
        "the network (default: model card).",
    ),
]
N4 = Annotated[bool, typer.Option("--n4", help="Correct the bias field first.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier result of the same command.")
]
Viewer = Annotated[
    bool,
    typer.Option("--viewer/--no-viewer", help="Let the page hold the scans, to be scrolled through."),
]
Events = Annotated[bool, typer.Option("--events", help="Print one JSON object per line instead of a bar.")]
StopFile = Annotated[Path | None, typer.Option(help="Cancel when this file appears.")]
Replay = Annotated[
    list[str] | None,
    typer.Option(help="Replay buffer by name or folder; can be repeated (default: all of other sites)."),
]


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """Options of every command that runs as a job."""

    events: Events = False
    stop_file: StopFile = None

    @property
    def given(self) -> dict[str, Any]:
        """What else is among the options, by name."""
        return {name: value for name, value in vars(self).items() if not hasattr(JobOptions, name)}


@dataclass(frozen=True, kw_only=True)
class SegmentOptions(JobOptions):
    """Options of every command that finds lesions, but those of a job named as in a ``SegmentRequest``."""

    output: Output
    model: ModelOption = None
    device: Device = "auto"
    threshold: Threshold = None
    minimum_mm3: MinVolume = None
    minimum_peak: MinPeak = None
    n4: N4 = False
    overwrite: Overwrite = False
    viewer: Viewer = True


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter is a dataclass of options: on the command line, each field is an option.

    What is required comes first, and the options of a job last.
    """
    signature = inspect.signature(command, eval_str=True)
    options, *parameters = signature.parameters.values()
    hints = get_type_hints(options.annotation, include_extras=True)
    for field in fields(options.annotation):
        default = options.empty if field.default is MISSING else field.default
        parameters.append(options.replace(name=field.name, default=default, annotation=hints[field.name]))
    parameters.sort(key=lambda one: (one.default is not one.empty, hasattr(JobOptions, one.name)))

    @functools.wraps(command)
    def run(**values: Any) -> None:
        command(options.annotation(**{name: values.pop(name) for name in hints}), **values)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined] # typer reads it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
