"""``mslesionseg study enhancing-model`` and ``enhancing-results``: how that model is made and measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.commands.options import Events, StopFile
from MSLesionSegLib.commands.running import or_exit
from MSLesionSegLib.commands.study_steps import Data, Step, Work, run_study_steps


def study_enhancing_model(
    data: Data,
    work: Work,
    step: Step = None,
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Train and measure the model for enhancing lesions step by step; a stopped run goes on where it was."""
    from MSLesionSegLib.studies.enhancing_steps import STEPS, run_enhancing_steps

    run_study_steps("study enhancing-model", STEPS, run_enhancing_steps, data, work, step, events, stop_file)


def study_enhancing_results(
    work: Annotated[Path, typer.Option(help="Folder of the study.")],
    threshold: Annotated[float, typer.Option(help="Probability from which a voxel is lesion.")] = 0.5,
    min_volume: Annotated[float, typer.Option("--min-volume", help="Drop smaller lesions, in mm3.")] = 0.0,
    min_peak: Annotated[float, typer.Option("--min-peak", help="Drop lesions with a lower peak.")] = 0.0,
) -> None:
    """Write the measured numbers of the model for enhancing lesions as tables."""
    from MSLesionSegLib.lesions.components import LesionRule
    from MSLesionSegLib.studies.enhancing_measurement import write_enhancing_results

    rule = LesionRule(threshold, min_volume, min_peak)
    typer.echo(str(or_exit(lambda: write_enhancing_results(work, rule))))
