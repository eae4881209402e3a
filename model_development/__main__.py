"""``python -m model_development``: the shipped models made and measured again, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from MSLesionSegLib.commands.options import JobOptions, ModelOption, takes_options
from MSLesionSegLib.commands.running import or_exit, run
from MSLesionSegLib.jobs.job import Job
from MSLesionSegLib.lesions.components import LesionRule

if TYPE_CHECKING:
    from model_development.steps import Step

Data = Annotated[Path, typer.Option(help="Folder with the public datasets.")]
Work = Annotated[Path, typer.Option(help="Folder for examples, checkpoints, models and measured maps.")]

app = typer.Typer(
    name="model_development",
    help="Make and measure the shipped models. A stopped run goes on where it was.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@dataclass(frozen=True, kw_only=True)
class StepOptions(JobOptions):
    """Options of what is made in steps."""

    data: Data
    work: Work
    step: Annotated[list[str] | None, typer.Option(help="Only this step; can be repeated.")] = None

    def run(self, command: str, steps: Mapping[str, Step]) -> None:
        """Run the steps that were asked for as a job."""
        from model_development.steps import run_steps

        run(
            command,
            lambda job: run_steps(steps, self.data, self.work, self.step or [], job),
            {name: step.share for name, step in steps.items() if not self.step or name in self.step},
            _folder,
            self,
            f"Cancelled. What was made so far stays in {self.work}; the same command resumes it.",
        )


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """Options of tables of measured numbers."""

    work: Work
    threshold: Annotated[float, typer.Option(help="Probability from which a voxel is lesion.")] = 0.5
    min_volume: Annotated[float, typer.Option(help="Drop smaller lesions, in mm3.")] = 0.0
    min_peak: Annotated[float, typer.Option(help="Drop lesions with a lower peak.")] = 0.0

    @property
    def rule(self) -> LesionRule:
        """What counts as a lesion."""
        return LesionRule(self.threshold, self.min_volume, self.min_peak)


@app.command("default-models")
@takes_options
def default_models(options: StepOptions) -> None:
    """Train and measure the models of all lesions, and the brain network."""
    from model_development.steps import FLAIR_STEPS

    options.run("default-models", FLAIR_STEPS)


@app.command("ship")
def ship(folders: list[Path]) -> None:
    """Store model folders below Resources/Models, packed to eight bits. Measure them before they are committed."""
    from model_development.shipping import ship

    for folder in folders:
        typer.echo(or_exit(partial(ship, folder)))


@app.command("measure")
@takes_options
def measure(
    options: JobOptions,
    model: Annotated[Path, typer.Argument(help="Folder of a model of all lesions.")],
    data: Data,
    work: Work,
    dataset: Annotated[list[str], typer.Option(help="Folder in DATA; can be repeated.")] = ["mslesseg"],  # noqa: B006
) -> None:
    """Let any model judge all scans of a dataset that it never saw, and their lesion-free twins."""

    def judge(job: Job) -> Path:
        from model_development.measuring.flair import measure, scans_for

        measure(scans_for(model, data, dataset), work, job)
        return work

    run("measure", judge, {"measuring": 1.0}, _folder, options)


@app.command("results")
@takes_options
def results(options: TableOptions) -> None:
    """Write the measured numbers of the models of all lesions as tables."""
    from model_development.measuring.results import write_results

    typer.echo(str(or_exit(lambda: write_results(options.work, options.rule))))


@app.command("calibrate")
def calibrate(
    model: Annotated[Path, typer.Argument(help="Folder of the model whose card is filled in.")],
    data: Data,
    work: Work,
    group: Annotated[
        str, typer.Option(help="Measured maps of models that never saw the scans.")
    ] = "rotation",
) -> None:
    """Fit from measured maps how far a model's results can be trusted, and write it into its card."""
    from model_development.measuring.calibrate import calibrate

    typer.echo(str(or_exit(lambda: calibrate(model, data, work, group))))


@app.command("new-models")
@takes_options
def new_models(options: StepOptions) -> None:
    """Train the models of new lesions."""
    from model_development.steps import NEW_LESION_STEPS

    options.run("new-models", NEW_LESION_STEPS)


@app.command("new-lesions")
@takes_options
def new_lesions(
    options: JobOptions,
    data: Data,
    work: Work,
    part: Annotated[
        list[str] | None,
        typer.Option(help="rules, pairs, visits, unchanged or registrations; can be repeated."),
    ] = None,
    model: ModelOption = None,
) -> None:
    """Measure the comparison of two FLAIRs: inserted lesions, real pairs, pairs without change, registrations."""

    def go_through(job: Job) -> Path:
        from model_development.measuring.new_lesions import measure

        return measure(data, work, part or [], job, model=model)

    shares = {"rules": 3.0, "real pairs": 3.0, "pairs without change": 30.0, "registrations": 8.0}
    cancelled = f"Cancelled. What was computed once stays in {work}."
    run("new-lesions", go_through, shares, _folder, options, cancelled)


@app.command("enhancing-model")
@takes_options
def enhancing_model(options: StepOptions) -> None:
    """Train and measure the model of enhancing lesions."""
    from model_development.steps import ENHANCING_STEPS

    options.run("enhancing-model", ENHANCING_STEPS)


@app.command("enhancing-results")
@takes_options
def enhancing_results(options: TableOptions) -> None:
    """Write the measured numbers of the model of enhancing lesions as tables."""
    from model_development.measuring.enhancing import write_enhancing_results

    typer.echo(str(or_exit(lambda: write_enhancing_results(options.work, options.rule))))


def _folder(folder: Path) -> dict[str, str]:
    return {"folder": str(folder)}


if __name__ == "__main__":
    app()
