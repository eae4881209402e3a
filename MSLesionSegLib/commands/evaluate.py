"""``mslesionseg evaluate``: masks against reference masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from MSLesionSegLib.commands.options import JobOptions, LesionLabel, Overwrite, takes_options
from MSLesionSegLib.commands.running import run
from MSLesionSegLib.jobs.job import Job

if TYPE_CHECKING:
    from MSLesionSegLib.evaluation.mask_pairs import Evaluation


@takes_options
def evaluate(
    options: JobOptions,
    cases: Annotated[
        Path | None,
        typer.Argument(help="Table (CSV or TSV) with the columns name, prediction and reference."),
    ] = None,
    prediction: Annotated[Path | None, typer.Option(help="One mask instead of a CSV file.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Its reference mask.")] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="What counts as a lesion and as found: any-overlap, or msseg, the rule of the MSSEG challenges."
        ),
    ] = "any-overlap",
    lesion_label: LesionLabel = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder to make for cases.csv, evaluation.json and evaluation.md."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Compare lesion masks with reference masks, lesion by lesion and voxel by voxel."""
    pair = [*filter(None, (prediction, reference))]
    if len(pair) != (0 if cases else 2):
        raise typer.BadParameter("Give a CSV file, or --prediction and --reference.")

    def work(job: Job) -> Evaluation:
        from MSLesionSegLib.evaluation import evaluate as module

        listed = module.read_cases(cases) if cases else [(pair[0].name, pair[0], pair[1])]
        return module.evaluate(
            listed,
            job,
            preset=preset,
            lesion_label=lesion_label,
            listing=cases,
            output=output,
            overwrite=overwrite,
        )

    def describe(evaluation: Evaluation) -> dict[str, Any]:
        averages = {name: value.mean for name, value in evaluation.averages.items()}
        folder = {"folder": str(output.absolute())} if output else {}
        return {"preset": preset, "cases": len(evaluation.cases), "averages": averages, **folder}

    run("evaluate", work, {"compare masks": 1.0}, describe, options, show=_print_evaluation)


def _print_evaluation(evaluation: Evaluation) -> None:
    from MSLesionSegLib.evaluation.mask_pairs import to_markdown

    typer.echo(to_markdown(evaluation))
