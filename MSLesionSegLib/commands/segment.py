"""``mslesionseg segment``: find lesions on a patient's scans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from MSLesionSegLib.commands.options import (
    N4,
    BrainMask,
    Device,
    Events,
    MinPeak,
    MinVolume,
    Mirroring,
    ModelOption,
    Output,
    Overwrite,
    StopFile,
    Threshold,
)
from MSLesionSegLib.commands.running import new_table, print_table, printing, run
from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.jobs.job import Job

if TYPE_CHECKING:
    from MSLesionSegLib.segmentation.segment import SegmentationResult

app = typer.Typer(no_args_is_help=True, help="Find lesions on a patient's scans.")


@app.command("flair")
def segment_flair(
    flair: Annotated[
        Path, typer.Option(help="FLAIR: NIfTI, NRRD or FreeSurfer file, or a folder with one DICOM series.")
    ],
    output: Output,
    model: ModelOption = None,
    device: Device = "auto",
    threshold: Threshold = None,
    min_volume: MinVolume = None,
    min_peak: MinPeak = None,
    brain_mask: BrainMask = None,
    mirroring: Mirroring = None,
    n4: N4 = False,
    overwrite: Overwrite = False,
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """All white-matter lesions on one FLAIR."""

    segment_task(
        "flair",
        {"flair": flair},
        events,
        stop_file,
        output=output,
        model=model,
        device=device,
        threshold=threshold,
        minimum_mm3=min_volume,
        minimum_peak=min_peak,
        brain_mask=brain_mask,
        flips=mirroring,
        n4=n4,
        overwrite=overwrite,
    )


def segment_task(
    task: str, inputs: dict[str, Path], events: bool, stop_file: Path | None, **settings: Any
) -> None:
    """Run a task of the task table as a job and print what was found."""

    def work(job: Job) -> SegmentationResult:
        from MSLesionSegLib.segmentation.segment import SegmentRequest, segment

        return segment(SegmentRequest(task=task, inputs=inputs, **settings), job)

    from MSLesionSegLib.segmentation.stages import segmentation_stages

    stages = segmentation_stages(
        brain_given=settings["brain_mask"] is not None,
        n4=settings["n4"],
        flips=will_mirror(settings["flips"], settings["model"], task),
        scans=len(inputs),
    )
    result = run(f"segment {task}", work, stages, describe_segmentation, events, stop_file)
    if not events:
        with printing():
            print_lesions(result)


def will_mirror(wanted: bool | None, model: str | None, task: str = "flair") -> bool:
    """Whether a run will mirror its inputs, for a truthful progress bar before it begins."""
    from MSLesionSegLib.network.models.model_in_use import model_in_use
    from MSLesionSegLib.network.models.store import find_model, read_card

    if wanted is not None:
        return wanted
    try:
        return read_card(find_model(model or model_in_use(task))).flips
    except MSLesionSegError:
        return False  # the run itself will say what is wrong with the model


def describe_segmentation(result: SegmentationResult) -> dict[str, Any]:
    return {
        "folder": str(result.folder.absolute()),
        "manifest": str(result.files["manifest"].absolute()),
        "files": {role: str(path.absolute()) for role, path in result.files.items()},
        "counts": result.counts,
    }


def print_lesions(result: SegmentationResult, most: int = 30) -> None:
    remarks = any(lesion.remark for lesion in result.lesions)
    columns = ("No.", "Region", "mm3", "Axis mm", "Centre RAS mm", "p mean", "p peak")
    table = new_table(*columns, *(["Remark"] if remarks else []))
    for lesion in result.lesions[:most]:
        table.add_row(
            str(lesion.id),
            lesion.region or "unknown",
            f"{lesion.volume_mm3:.0f}",
            f"{lesion.longest_axis_mm:.1f}",
            " ".join(f"{v:.0f}" for v in lesion.centre_ras),
            *("-" if p is None else f"{p:.2f}" for p in (lesion.mean_probability, lesion.peak_probability)),
            *([lesion.remark] if remarks else []),
        )
    if result.lesions:
        print_table(table)
    if len(result.lesions) > most:
        typer.echo(f"... and {len(result.lesions) - most} more in {result.files['table']}")
    settings = result.settings
    typer.echo(
        f"{result.counts['lesions']} lesions, {result.counts['volume_mm3'] / 1000:.2f} ml "
        f"({settings['connectivity']}-connected, at least {settings['minimum_mm3']:g} mm3, "
        f"probability from {settings['threshold']:g}, peak from {settings['minimum_peak']:g}; "
        f"model {result.model}; {result.timings['total']:.0f} s)"
    )
    typer.echo(f"Page:   {result.files['report']}\nResult: {result.folder}")
    typer.echo("For research use only. Check every lesion.")
