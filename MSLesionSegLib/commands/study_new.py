"""``mslesionseg study new-models`` and ``study new-lesions``: how comparing two FLAIRs was made and measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.commands.options import Events, ModelOption, StopFile
from MSLesionSegLib.commands.running import run
from MSLesionSegLib.commands.study_steps import Data, Step, Work, run_study_steps
from MSLesionSegLib.jobs import Job


def study_new_models(
    data: Data,
    work: Work,
    step: Step = None,
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Train the models of new lesions step by step; a stopped run goes on where it was."""
    from MSLesionSegLib.studies.new_lesion_models import STEPS, run_steps

    run_study_steps("study new-models", STEPS, run_steps, data, work, step, events, stop_file)


def study_new_lesions(
    data: Annotated[Path, typer.Option(help="Folder with the public datasets.")],
    work: Annotated[Path, typer.Option(help="Folder for the results and what is computed once.")],
    part: Annotated[
        list[str] | None, typer.Option(help="rules, pairs, unchanged or registrations; can be repeated.")
    ] = None,
    model: ModelOption = None,
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Measure the comparison of two FLAIRs: inserted lesions, real pairs, pairs without change, registrations."""

    def go_through(job: Job) -> Path:
        from MSLesionSegLib.studies.new_lesion_measurement import measure

        return measure(data, work, part or [], job, model=model)

    shares = {"rules": 3.0, "real pairs": 3.0, "pairs without change": 30.0, "registrations": 8.0}
    cancelled = f"Cancelled. What was computed once stays in {work}."
    run(
        "study new-lesions",
        go_through,
        shares,
        lambda folder: {"folder": str(folder)},
        events,
        stop_file,
        cancelled,
    )
