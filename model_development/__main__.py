"""``python -m model_development``: the shipped models made and measured again, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.commands.options import Events, ModelOption, StopFile
from MSLesionSegLib.commands.running import or_exit, run
from MSLesionSegLib.jobs.job import Job
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.lesions.components import LesionRule

Data = Annotated[Path, typer.Option(help="Folder with the public datasets.")]
Work = Annotated[Path, typer.Option(help="Folder for examples, checkpoints, models and measured maps.")]
Step = Annotated[list[str] | None, typer.Option(help="Only this step; can be repeated.")]
Threshold = Annotated[float, typer.Option(help="Probability from which a voxel is lesion.")]
MinVolume = Annotated[float, typer.Option("--min-volume", help="Drop smaller lesions, in mm3.")]
MinPeak = Annotated[float, typer.Option("--min-peak", help="Drop lesions with a lower peak.")]

app = typer.Typer(
    name="model_development",
    help="Make and measure the shipped models. A stopped run goes on where it was.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command("default-models")
def default_models(
    data: Data, work: Work, step: Step = None, events: Events = False, stop_file: StopFile = None
) -> None:
    """Train and measure the models of all lesions, and the brain network."""
    from model_development.steps import STEPS, run_steps

    _run_steps("default-models", STEPS, run_steps, data, work, step, events, stop_file)


@app.command("ship")
def ship(folders: list[Path]) -> None:
    """Store model folders below Resources/Models, packed to eight bits. Measure them before they are committed."""
    from model_development.shipping import ship

    for folder in folders:
        typer.echo(or_exit(lambda folder=folder: ship(folder)))


@app.command("measure")
def measure(
    model: Annotated[Path, typer.Argument(help="Folder of a model of all lesions.")],
    data: Data,
    work: Work,
    dataset: Annotated[list[str], typer.Option(help="Folder in DATA; can be repeated.")] = ["mslesseg"],  # noqa: B006
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Let any model judge all scans of a dataset that it never saw, and their lesion-free twins."""

    def judge(job: Job) -> Path:
        from model_development.measurement import measure, scans_for

        measure(scans_for(model, data, dataset), work, job)
        return work

    run("measure", judge, {"measuring": 1.0}, _folder, events, stop_file)


@app.command("results")
def results(
    work: Work, threshold: Threshold = 0.5, min_volume: MinVolume = 0.0, min_peak: MinPeak = 0.0
) -> None:
    """Write the measured numbers of the models of all lesions as tables."""
    from model_development.results import write_results

    typer.echo(str(or_exit(lambda: write_results(work, LesionRule(threshold, min_volume, min_peak)))))


@app.command("new-models")
def new_models(
    data: Data, work: Work, step: Step = None, events: Events = False, stop_file: StopFile = None
) -> None:
    """Train the models of new lesions."""
    from model_development.new_lesion_models import STEPS, run_steps

    _run_steps("new-models", STEPS, run_steps, data, work, step, events, stop_file)


@app.command("new-lesions")
def new_lesions(
    data: Data,
    work: Work,
    part: Annotated[
        list[str] | None, typer.Option(help="rules, pairs, unchanged or registrations; can be repeated.")
    ] = None,
    model: ModelOption = None,
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Measure the comparison of two FLAIRs: inserted lesions, real pairs, pairs without change, registrations."""

    def go_through(job: Job) -> Path:
        from model_development.new_lesion_measurement import measure

        return measure(data, work, part or [], job, model=model)

    shares = {"rules": 3.0, "real pairs": 3.0, "pairs without change": 30.0, "registrations": 8.0}
    cancelled = f"Cancelled. What was computed once stays in {work}."
    run("new-lesions", go_through, shares, _folder, events, stop_file, cancelled)


@app.command("enhancing-model")
def enhancing_model(
    data: Data, work: Work, step: Step = None, events: Events = False, stop_file: StopFile = None
) -> None:
    """Train and measure the model of enhancing lesions."""
    from model_development.steps import ENHANCING_STEPS, run_enhancing_steps

    _run_steps("enhancing-model", ENHANCING_STEPS, run_enhancing_steps, data, work, step, events, stop_file)


@app.command("enhancing-results")
def enhancing_results(
    work: Work, threshold: Threshold = 0.5, min_volume: MinVolume = 0.0, min_peak: MinPeak = 0.0
) -> None:
    """Write the measured numbers of the model of enhancing lesions as tables."""
    from model_development.enhancing_measurement import write_enhancing_results

    typer.echo(
        str(or_exit(lambda: write_enhancing_results(work, LesionRule(threshold, min_volume, min_peak))))
    )


def _run_steps(
    command: str,
    steps: Mapping[str, float],
    do: Callable[[Path, Path, Sequence[str], Progress], Path],
    data: Path,
    work: Path,
    step: list[str] | None,
    events: bool,
    stop_file: Path | None,
) -> None:
    """Run the steps that were asked for as a job; ``steps`` holds each one's expected share of the time."""
    run(
        command,
        lambda job: do(data, work, step or [], job),
        {name: share for name, share in steps.items() if not step or name in step},
        _folder,
        events,
        stop_file,
        f"Cancelled. What was made so far stays in {work}; the same command resumes it.",
    )


def _folder(folder: Path) -> dict[str, str]:
    return {"folder": str(folder)}


if __name__ == "__main__":
    app()
