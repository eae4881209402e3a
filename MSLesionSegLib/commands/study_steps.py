"""What the commands that make models step by step share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.commands.running import run
from MSLesionSegLib.progress import Progress

Data = Annotated[Path, typer.Option(help="Folder with the public datasets.")]
Work = Annotated[Path, typer.Option(help="Folder for examples, checkpoints, models and measured maps.")]
Step = Annotated[list[str] | None, typer.Option(help="Only this step; can be repeated.")]


def run_study_steps(
    command: str,
    steps: Mapping[str, float],
    do: Callable[[Path, Path, Sequence[str], Progress], Path],
    data: Path,
    work: Path,
    step: list[str] | None,
    events: bool,
    stop_file: Path | None,
) -> None:
    """Run the steps that were asked for as a job.

    Args:
        command: its name in the events.
        steps: expected share of the time by step.
        do: runs steps: data, folder of the study, names (all when empty), progress.
    """
    run(
        command,
        lambda job: do(data, work, step or [], job),
        {name: share for name, share in steps.items() if not step or name in step},
        lambda folder: {"folder": str(folder)},
        events,
        stop_file,
        f"Cancelled. What was made so far stays in {work}; the same command goes on from there.",
    )
