"""``mslesionseg demo``: a first result without a scan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from MSLesionSegLib.commands.options import JobOptions, ModelOption, Output, Overwrite, takes_options
from MSLesionSegLib.commands.running import run
from MSLesionSegLib.commands.segment import describe_segmentation, print_lesions
from MSLesionSegLib.jobs.job import NOTHING_WRITTEN, Job

if TYPE_CHECKING:
    from MSLesionSegLib.evaluation.demo import DemoOutcome
    from MSLesionSegLib.evaluation.metrics import CaseMetrics


@takes_options
def demo(
    options: JobOptions,
    flair: Annotated[Path | None, typer.Option(help="Your own FLAIR instead of a synthetic patient.")] = None,
    output: Output = Path("demo"),
    model: ModelOption = None,
    seed: Annotated[int, typer.Option(help="Which synthetic patient.")] = 7,
    overwrite: Overwrite = False,
) -> None:
    """Make a synthetic patient, segment it and compare the result with the known truth."""

    def work(job: Job) -> DemoOutcome:
        from MSLesionSegLib.evaluation.demo import run_demo

        return run_demo(flair, output, job, model=model, seed=seed, overwrite=overwrite)

    from MSLesionSegLib.segmentation.request import SegmentRequest, expected_stages
    from MSLesionSegLib.segmentation.stages import SYNTHESIS

    def describe(outcome: DemoOutcome) -> dict[str, Any]:
        return describe_segmentation(outcome.result)

    plain = expected_stages(SegmentRequest("flair", {"flair": flair or Path()}, output, model=model))
    stages = plain if flair is not None else {SYNTHESIS: 12.0, **plain}
    kept = f"Cancelled. No result was written; a finished synthetic patient stays in {output / 'patient'}."
    cancelled = kept if flair is None else NOTHING_WRITTEN
    run("demo", work, stages, describe, options, cancelled, show=_print_outcome)


def _print_outcome(outcome: DemoOutcome) -> None:
    print_lesions(outcome.result)
    if outcome.comparison is not None:
        print_comparison(outcome.comparison)


def print_comparison(comparison: CaseMetrics) -> None:
    found = f"{comparison.true_positives} of {comparison.reference_lesions} lesions found"
    dice = "-" if comparison.dice is None else f"{comparison.dice:.2f}"
    typer.echo(
        f"Against the known truth: {found}, {comparison.false_positives} false; Dice {dice}; "
        f"volume {comparison.predicted_volume_mm3 / 1000:.2f} ml instead of "
        f"{comparison.reference_volume_mm3 / 1000:.2f} ml (a lesion counts as found if one voxel overlaps)"
    )
