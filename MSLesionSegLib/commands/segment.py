"""``mslesionseg segment``: find lesions on a patient's scans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from MSLesionSegLib.commands.options import BrainMask, Dicom, Mirroring, SegmentOptions, Series, takes_options
from MSLesionSegLib.commands.running import new_table, print_table, run
from MSLesionSegLib.jobs.job import Job

if TYPE_CHECKING:
    from MSLesionSegLib.segmentation.segment import SegmentationResult

MOST_ROWS = 30

app = typer.Typer(no_args_is_help=True, help="Find lesions on a patient's scans.")


@dataclass(frozen=True, kw_only=True)
class OneSessionOptions(SegmentOptions):
    """Options of the tasks that look at one session."""

    brain_mask: BrainMask = None
    mirroring: Mirroring = None


@app.command("flair")
@takes_options
def segment_flair(
    options: OneSessionOptions,
    flair: Annotated[
        Path,
        typer.Option(
            help="FLAIR: NIfTI, NRRD or FreeSurfer file, or a folder with a DICOM series or study, a DICOMDIR or a "
            "zip file."
        ),
    ],
    series: Series = None,
    dicom: Dicom = False,
) -> None:
    """All white-matter lesions on one FLAIR."""
    run_task("flair", {"flair": flair}, series, options, print_lesions, dicom=dicom)


@app.command("enhancing")
@takes_options
def segment_enhancing(
    options: OneSessionOptions,
    pre: Annotated[
        Path,
        typer.Option(
            help="T1 before gadolinium: a file, or a DICOM series or study, which may be the same for all scans."
        ),
    ],
    post: Annotated[Path, typer.Option(help="T1 after gadolinium; the results lie on its grid.")],
    flair: Annotated[
        Path | None, typer.Option(help="FLAIR of the session: foci that it does not show are marked.")
    ] = None,
    series: Series = None,
    dicom: Dicom = False,
) -> None:
    """Enhancing lesions on T1 before and after gadolinium."""
    run_task(
        "enhancing", {"pre": pre, "post": post, "flair": flair}, series, options, print_lesions, dicom=dicom
    )


def run_task(
    task: str,
    inputs: Mapping[str, Path | None],
    series: Sequence[str] | None,
    options: SegmentOptions,
    show: Callable[[SegmentationResult], None],
    *,
    dicom: bool,
) -> None:
    """Run a task of the task table as a job; inputs that are None are not given.

    ``series`` names DICOM series, see :func:`~MSLesionSegLib.imaging.dicom.inputs.found_scans`; with ``dicom`` the
    result is written as DICOM within its folder.
    """
    from MSLesionSegLib.dicom.export import EXPORT_SECONDS, EXPORT_STAGE
    from MSLesionSegLib.segmentation.request import SegmentRequest, expected_stages

    given = {name: path for name, path in inputs.items() if path is not None}
    request = SegmentRequest(task, given, **options.given)

    def work(job: Job) -> SegmentationResult:
        from MSLesionSegLib.dicom.export import segment_to_dicom
        from MSLesionSegLib.imaging.dicom.inputs import found_scans
        from MSLesionSegLib.segmentation.segment import segment
        from MSLesionSegLib.tasks import get_task

        with found_scans(get_task(task), given, series or ()) as found:
            asked = replace(request, inputs=found.paths, remarks=found.remarks)
            return segment_to_dicom(asked, job) if dicom else segment(asked, job)

    stages = expected_stages(request) | ({EXPORT_STAGE: EXPORT_SECONDS} if dicom else {})
    run(f"segment {task}", work, stages, describe_segmentation, options, show=show)


def describe_segmentation(result: SegmentationResult) -> dict[str, Any]:
    """Content of the result event."""
    return {
        "folder": str(result.folder.absolute()),
        "manifest": str(result.files["manifest"].absolute()),
        "files": {role: str(path.absolute()) for role, path in result.files.items()},
        **({"comparability": result.light} if result.checks else {}),
        "counts": result.counts,
        **({"dicom": str(result.dicom.absolute())} if result.dicom else {}),
    }


def print_lesions(result: SegmentationResult) -> None:
    remarks = any(lesion.remark for lesion in result.lesions)
    columns = ("No.", "Region", "mm3", "Axis mm", "Centre RAS mm", "p mean", "p peak")
    table = new_table(*columns, *(["Remark"] if remarks else []))
    for lesion in result.lesions[:MOST_ROWS]:
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
    if len(result.lesions) > MOST_ROWS:
        typer.echo(f"... and {len(result.lesions) - MOST_ROWS} more in {result.files['table']}")
    settings, counts = result.settings, result.counts
    assert counts is not None  # they are withheld of two visits only
    typer.echo(
        f"{counts['lesions']} lesions, {counts['volume_mm3'] / 1000:.2f} ml "
        f"({settings['connectivity']}-connected, at least {settings['minimum_mm3']:g} mm3, "
        f"probability from {settings['threshold']:g}, peak from {settings['minimum_peak']:g}; "
        f"model {result.model}; {result.timings['total']:.0f} s)"
    )
    if "possible_table" in result.files:
        typer.echo(f"Possible lesions, not counted: {result.files['possible_table']}")
    print_places(result)


def print_places(result: SegmentationResult) -> None:
    """Where the parts of a result are."""
    typer.echo(f"Page:   {result.files['report']}\nResult: {result.folder}")
    if result.dicom:
        typer.echo(f"DICOM:  {result.dicom}")
    typer.echo("For research use only. Check every lesion.")
