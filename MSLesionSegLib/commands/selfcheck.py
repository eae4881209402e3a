"""``mslesionseg selfcheck``: what the comparison finds on a scan of yours where the truth is known."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from MSLesionSegLib.commands.options import Device, FlairModel, JobOptions, ModelOption, Series, takes_options
from MSLesionSegLib.commands.running import new_table, print_table, run
from MSLesionSegLib.jobs.job import Job

if TYPE_CHECKING:
    from MSLesionSegLib.evaluation.selfcheck import SelfCheck


@takes_options
def selfcheck(
    options: JobOptions,
    flair: Annotated[Path, typer.Option(help="A FLAIR of your scanner: a file, or a DICOM series or study.")],
    series: Series = None,
    model: ModelOption = None,
    flair_model: FlairModel = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Another number puts other lesions elsewhere.")] = 1,
) -> None:
    """Try the comparison of two FLAIRs on one scan of yours, where the truth is known."""

    def work(job: Job) -> SelfCheck:
        from MSLesionSegLib.evaluation.selfcheck import self_check
        from MSLesionSegLib.imaging.dicom.inputs import found_scans
        from MSLesionSegLib.tasks import get_task

        with found_scans(get_task("flair"), {"flair": flair}, series or ()) as found:
            for remark in found.remarks:
                job.warning(remark.code, remark.sentence)
            scan = found.paths["flair"]
            return self_check(scan, job, model=model, flair_model=flair_model, device=device, seed=seed)

    from MSLesionSegLib.segmentation.stages import selfcheck_stages

    run("selfcheck", work, selfcheck_stages(), asdict, options, "Cancelled.", show=print_selfcheck)


def print_selfcheck(result: SelfCheck) -> None:
    table = new_table("Check", "Result", "Right")
    table.add_row("New or enlarged lesions, the same scan twice", str(result.same_scan), "0")
    table.add_row("... scanned again: turned, other coil, other noise", str(result.scanned_again), "0")
    for size in result.by_size:
        table.add_row(
            f"Inserted lesions of {size.diameter_mm:g} mm found", f"{size.found} of {size.inserted}", "all"
        )
    table.add_row("New or enlarged lesions that nobody inserted", str(result.false), "0")
    table.add_row("New lesions called vanished when swapped", f"{result.swapped} of {result.new}", "all")
    print_table(table)
    typer.echo("Inserted lesions are smooth and of one brightness: real ones are harder to find.")
