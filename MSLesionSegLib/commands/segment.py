"""``mslesionseg segment``: find lesions on a patient's scans."""

from __future__ import annotations

from collections.abc import Mapping
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
    result = run_task(
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
    if not events:
        with printing():
            print_lesions(result)


@app.command("enhancing")
def segment_enhancing(
    pre: Annotated[
        Path, typer.Option(help="T1 before gadolinium: a file, or a folder with one DICOM series.")
    ],
    post: Annotated[Path, typer.Option(help="T1 after gadolinium; the results lie on its grid.")],
    output: Output,
    flair: Annotated[
        Path | None, typer.Option(help="FLAIR of the session: foci that it does not show are marked.")
    ] = None,
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
    """Enhancing lesions on T1 before and after gadolinium."""
    result = run_task(
        "enhancing",
        {"pre": pre, "post": post, "flair": flair},
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
    if not events:
        with printing():
            print_lesions(result)


def run_task(
    task: str, inputs: Mapping[str, Path | None], events: bool, stop_file: Path | None, **settings: Any
) -> SegmentationResult:
    """Run a task of the task table as a job; inputs that are None are not given."""
    from MSLesionSegLib.segmentation.request import SegmentRequest, expected_stages

    given = {name: path for name, path in inputs.items() if path is not None}
    request = SegmentRequest(task, given, **settings)

    def work(job: Job) -> SegmentationResult:
        from MSLesionSegLib.segmentation.segment import segment

        return segment(request, job)

    return run(f"segment {task}", work, expected_stages(request), describe_segmentation, events, stop_file)


def describe_segmentation(result: SegmentationResult) -> dict[str, Any]:
    """Content of the result event."""
    return {
        "folder": str(result.folder.absolute()),
        "manifest": str(result.files["manifest"].absolute()),
        "files": {role: str(path.absolute()) for role, path in result.files.items()},
        **({"comparability": result.light} if result.checks else {}),
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
