"""``mslesionseg batch``: a task over all examinations of a BIDS dataset or an export of DICOM studies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from MSLesionSegLib.commands.options import Dicom, Mirroring, SegmentOptions, Series, takes_options
from MSLesionSegLib.commands.running import run
from MSLesionSegLib.jobs.job import Job
from MSLesionSegLib.tasks import TASKS

if TYPE_CHECKING:
    from MSLesionSegLib.batch.batch import BatchResult


@dataclass(frozen=True, kw_only=True)
class BatchOptions(SegmentOptions):
    """Options of every examination's task."""

    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder of the derivatives; a stopped batch is resumed in it."),
    ]
    mirroring: Mirroring = None
    flair_model: Annotated[
        str | None,
        typer.Option(help="For new: model that finds the lesions on each scan (default: the one in use)."),
    ] = None
    registration: Annotated[
        str | None, typer.Option(help="For new: rigid (default), affine, restricted-syn or full-syn.")
    ] = None
    force: Annotated[
        bool, typer.Option("--force", help="For new: count lesions although the scans cannot be compared.")
    ] = False


@takes_options
def batch(
    options: BatchOptions,
    dataset: Annotated[
        Path, typer.Argument(help="BIDS dataset, or DICOM studies: a folder, a DICOMDIR or a zip file.")
    ],
    task: Annotated[str, typer.Option(help=f"What to look for: {', '.join(TASKS)}.")] = "flair",
    participant_label: Annotated[
        list[str] | None, typer.Option(help="Only this participant; can be repeated (default: all).")
    ] = None,
    entity: Annotated[
        list[str] | None,
        typer.Option(
            help="Only files with this in their names, such as acq-3D, run-2 (also run-02) or rec-none "
            "(without any rec), where an examination has several; can be repeated."
        ),
    ] = None,
    series: Series = None,
    dicom: Dicom = False,
    skip_finished: Annotated[
        bool,
        typer.Option(
            "--skip-finished",
            help="Leave an examination alone that has a result of the same scans, model and settings; one that "
            "was made otherwise is reported, and replaced with --overwrite as well.",
        ),
    ] = False,
    workers: Annotated[
        int, typer.Option(help="Examinations at a time; each worker is a process that stays loaded.")
    ] = 1,
    threads: Annotated[
        int | None, typer.Option(help="Threads of each worker (default: the cores are shared out).")
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            help="local, or dask://HOST:PORT for an existing Dask cluster whose workers see the same paths; needs "
            "pip install distributed."
        ),
    ] = "local",
) -> None:
    """Find lesions in all examinations of a dataset, or what is new since the examination before."""
    if task not in TASKS:
        raise typer.BadParameter(f"--task is one of {', '.join(TASKS)}.")
    if not TASKS[task].compares and (options.flair_model or options.registration or options.force):
        raise typer.BadParameter("--flair-model, --registration and --force belong to --task new.")

    def work(job: Job) -> BatchResult:
        from MSLesionSegLib.batch.batch import BatchRequest, run_batch
        from MSLesionSegLib.segmentation.request import DEFAULT_REGISTRATION, SegmentRequest

        registration = options.registration or DEFAULT_REGISTRATION
        settings = SegmentRequest(task, {}, **options.given | {"registration": registration})
        request = BatchRequest(
            dataset=dataset,
            output=options.output,
            settings=settings,
            participants=participant_label or (),
            entities=entity or (),
            series=series or (),
            skip_finished=skip_finished,
            dicom=dicom,
            executor=executor,
            workers=workers,
            threads=threads,
        )
        return run_batch(request, job)

    cancelled = f"Cancelled. What was finished stays in {options.output}; --skip-finished resumes it."
    run("batch", work, {"examinations": 1.0}, describe_batch, options, cancelled, show=_print_batch)


def _print_batch(result: BatchResult) -> None:
    content = describe_batch(result)
    typer.echo(f"{content['done']} of {content['examinations']} examinations are done.")
    typer.echo(f"Table:   {content['table']}\nLesions: {content['lesions']}")
    typer.echo("For research use only. Check every lesion.")


def describe_batch(result: BatchResult) -> dict[str, Any]:
    """Content of the result event."""
    from MSLesionSegLib.batch.tables import DONE, EXAMINATIONS, LESIONS

    folder = result.folder.absolute()
    return {
        "folder": str(folder),
        "table": str(folder / EXAMINATIONS),
        "lesions": str(folder / LESIONS),
        "examinations": len(result.rows),
        "done": sum(row.status == DONE for row in result.rows),
    }
