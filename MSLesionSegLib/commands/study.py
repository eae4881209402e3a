"""``mslesionseg study``: the papers' experiments on own cases, and those behind the shipped models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.commands.options import Events, StopFile
from MSLesionSegLib.commands.running import or_exit
from MSLesionSegLib.commands.study_continual import study_continual
from MSLesionSegLib.commands.study_dynamics import study_dynamics
from MSLesionSegLib.commands.study_gate import study_gate
from MSLesionSegLib.commands.study_pretraining import study_pretraining
from MSLesionSegLib.commands.study_rerun import study_rerun
from MSLesionSegLib.commands.study_steps import Data, Step, Work, run_study_steps
from MSLesionSegLib.commands.study_transfer import study_transfer

app = typer.Typer(no_args_is_help=True, help="Repeat experiments: those of the papers, on your own cases.")
app.command("continual")(study_continual)
app.command("dynamics")(study_dynamics)
app.command("gate")(study_gate)
app.command("pretraining")(study_pretraining)
app.command("transfer")(study_transfer)
app.command("rerun")(study_rerun)


@app.command("default-models")
def study_default_models(
    data: Data,
    work: Work,
    step: Step = None,
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Train and measure the shipped models step by step; a stopped run goes on where it was."""
    from MSLesionSegLib.studies.steps import STEPS, run_steps

    run_study_steps("study default-models", STEPS, run_steps, data, work, step, events, stop_file)


@app.command("results")
def study_results(
    work: Annotated[Path, typer.Option(help="Folder of the study.")],
    threshold: Annotated[float, typer.Option(help="Probability from which a voxel is lesion.")] = 0.5,
    min_volume: Annotated[float, typer.Option("--min-volume", help="Drop smaller lesions, in mm3.")] = 0.0,
    min_peak: Annotated[float, typer.Option("--min-peak", help="Drop lesions with a lower peak.")] = 0.0,
) -> None:
    """Write the measured numbers of the default models as tables."""
    from MSLesionSegLib.lesions.components import LesionRule
    from MSLesionSegLib.studies.results import write_results

    rule = LesionRule(threshold, min_volume, min_peak)
    typer.echo(str(or_exit(lambda: write_results(work, rule))))
