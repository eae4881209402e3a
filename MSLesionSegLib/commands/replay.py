"""``mslesionseg replay``: examples of earlier hospitals that training is interleaved with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from MSLesionSegLib.commands.options import Events, JobOptions, takes_options
from MSLesionSegLib.commands.running import new_table, print_table, run
from MSLesionSegLib.jobs.job import Job

if TYPE_CHECKING:
    from MSLesionSegLib.training.examples.replay_buffer import Buffer

app = typer.Typer(
    no_args_is_help=True,
    help="Replay buffers: examples of earlier hospitals that keep a model from forgetting.",
)
_PACK = {"pack examples": 1.0}


@app.command("make")
@takes_options
def replay_make(
    options: JobOptions,
    cases: Annotated[Path, typer.Option("--cases", help="Folder of the training cases.")],
    name: Annotated[str, typer.Argument(help="Name for the buffer.")],
    task: Annotated[str, typer.Option(help="Task of the cases.")] = "flair",
) -> None:
    """Prepare a buffer from training cases: brain only, 1 mm, normalized, at most 20 of each site."""

    def work(job: Job) -> Buffer:
        from MSLesionSegLib.training.examples.replay_buffer import make_buffer

        return make_buffer(cases, name, task=task, progress=job)

    run("replay make", work, {"prepare cases": 1.0}, describe, options, show=_print_buffer)


@app.command("list")
def replay_list(
    task: Annotated[str | None, typer.Option(help="Only buffers of this task.")] = None,
    events: Events = False,
) -> None:
    """The buffers on this computer."""

    def work(job: Job) -> list[Buffer]:
        from MSLesionSegLib.training.examples.replay_buffer import list_buffers

        job.stage("read buffers")
        return list_buffers(task)

    def describe_all(buffers: list[Buffer]) -> dict[str, Any]:
        return {"buffers": [describe(buffer) for buffer in buffers]}

    def show(buffers: list[Buffer]) -> None:
        table = new_table("Buffer", "Task", "Examples by site")
        for buffer in buffers:
            table.add_row(buffer.name, buffer.task, _by_site(buffer))
        print_table(table)

    run("replay list", work, {"read buffers": 1.0}, describe_all, JobOptions(events=events), show=show)


@app.command("export")
@takes_options
def replay_export(
    options: JobOptions,
    name: Annotated[str, typer.Argument(help="Buffer, or its folder such as ./mine.")],
    to: Annotated[Path, typer.Option(help="Zip file to make.")],
) -> None:
    """Write a buffer into a zip file for another hospital."""

    def work(job: Job) -> Buffer:
        from MSLesionSegLib.training.examples.replay_buffer import export_buffer

        return export_buffer(name, to, job)

    run("replay export", work, _PACK, describe, options, show=_print_buffer)


@app.command("import")
@takes_options
def replay_import(
    options: JobOptions,
    archive: Annotated[Path, typer.Argument(help="Zip file of 'replay export'.")],
    name: Annotated[str | None, typer.Option(help="Name for the buffer (default: the file's).")] = None,
) -> None:
    """Add another hospital's buffer, after checking all of it."""

    def work(job: Job) -> Buffer:
        from MSLesionSegLib.training.examples.replay_buffer import import_buffer

        return import_buffer(archive, name, job)

    run("replay import", work, _PACK, describe, options, show=_print_buffer)


def describe(buffer: Buffer) -> dict[str, Any]:
    """Content of the result event."""
    return {
        "buffer": buffer.name,
        "folder": str(buffer.folder),
        "task": buffer.task,
        "sites": buffer.sites,
        "sha256": buffer.sha256,
    }


def _print_buffer(buffer: Buffer) -> None:
    typer.echo(f"{buffer.name} ({buffer.task}): {_by_site(buffer)}")


def _by_site(buffer: Buffer) -> str:
    return ", ".join(f"{site} {count}" for site, count in buffer.sites.items())
