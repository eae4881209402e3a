"""``mslesionseg pacs``: studies from an archive and results into it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from MSLesionSegLib.commands.options import JobOptions, takes_options
from MSLesionSegLib.commands.running import run
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.job import Job
from MSLesionSegLib.jobs.printable import printable

if TYPE_CHECKING:
    from MSLesionSegLib.pacs.archive import Archive, SeriesEntry, StudyEntry

app = typer.Typer(
    no_args_is_help=True,
    help="Studies from an archive (PACS) and results into it, over DIMSE or DICOMweb. See docs/dicom.md.",
)

_DATES = re.compile(r"(\d{8})?(-\d{8}|(?<=\d)-)?")

NodeName = Annotated[str, typer.Argument(help="Archive, as the configuration names it.")]
Study = Annotated[str, typer.Argument(help="StudyInstanceUID, as 'pacs find' prints it.")]
Config = Annotated[
    Path | None,
    typer.Option(
        help="File that names the archives (default: MSLesionSeg/pacs.ini in your configuration folder)."
    ),
]
_ASK, _FETCH, _SEND = "ask", "fetch", "send"


@app.command("echo")
@takes_options
def pacs_echo(options: JobOptions, node: NodeName, config: Config = None) -> None:
    """Whether an archive answers, and this computer may ask it."""

    def work(job: Job) -> None:
        archive = _archive(node, config)
        job.stage(_ASK)
        archive.echo()

    def show(nothing: None) -> None:
        typer.echo(f"{node} answers.")

    run("pacs echo", work, {_ASK: 1.0}, lambda nothing: {"node": node}, options, show=show)


@app.command("find")
@takes_options
def pacs_find(
    options: JobOptions,
    node: NodeName,
    patient: Annotated[str, typer.Option(help="Number of the patient there (PatientID).")] = "",
    date: Annotated[str, typer.Option(help="Date YYYYMMDD, or a range: 20240101-20241231.")] = "",
    modality: Annotated[
        str, typer.Option(help="Kind of images that the study must have; '' for all.")
    ] = "MR",
    study: Annotated[str, typer.Option(help="StudyInstanceUID: lists the series of this study.")] = "",
    config: Config = None,
) -> None:
    """Studies of an archive, or the series of one."""

    def work(job: Job) -> Sequence[StudyEntry | SeriesEntry]:
        from MSLesionSegLib.pacs.archive import StudyQuery

        if not _DATES.fullmatch(date):
            raise SettingsError(
                f"--date {date} is no date of DICOM. Give it as 20240131, or as 20240101-20241231."
            )
        archive = _archive(node, config)
        job.stage(_ASK)
        if study:
            return sorted(archive.series(study), key=lambda one: (len(one.number), one.number))
        query = StudyQuery(patient_id=patient, date=date, modality=modality)
        return sorted(archive.studies(query), key=lambda one: (one.date, one.study))

    def describe(found: Sequence[StudyEntry | SeriesEntry]) -> dict[str, Any]:
        return {"series" if study else "studies": [asdict(one) for one in found]}

    run("pacs find", work, {_ASK: 1.0}, describe, options, show=_print_found)


@app.command("get")
@takes_options
def pacs_get(
    options: JobOptions,
    node: NodeName,
    study: Study,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to make; each series gets one in it.")
    ],
    series: Annotated[
        list[str] | None, typer.Option(help="Only this SeriesInstanceUID; can be repeated (default: all).")
    ] = None,
    config: Config = None,
) -> None:
    """Bring a study from an archive, all of it or nothing."""

    def work(job: Job) -> int:
        from MSLesionSegLib.pacs.transfer import fetch_study

        return fetch_study(_archive(node, config), study, output, job, only=series or ())

    def describe(count: int) -> dict[str, Any]:
        return {"folder": str(output.absolute()), "files": count}

    def show(count: int) -> None:
        typer.echo(f"{count} files in {output}")

    run("pacs get", work, {_FETCH: 1.0}, describe, options, show=show)


@app.command("send")
@takes_options
def pacs_send(
    options: JobOptions,
    node: NodeName,
    paths: Annotated[list[Path], typer.Argument(help="DICOM files, or folders of them.")],
    config: Config = None,
) -> None:
    """Send DICOM files to an archive. What it has already it keeps once."""

    def work(job: Job) -> int:
        from MSLesionSegLib.pacs.transfer import send_files

        return send_files(_archive(node, config), paths, job)

    stopped = "Cancelled. What was sent stays in the archive; sending all again does no harm."

    def show(count: int) -> None:
        typer.echo(f"{node} has taken {count} files.")

    run("pacs send", work, {_SEND: 1.0}, lambda count: {"files": count}, options, stopped, show)


def _archive(node: str, config: Path | None) -> Archive:
    from MSLesionSegLib.pacs.config_file import default_config, read_config
    from MSLesionSegLib.pacs.connection import connect
    from MSLesionSegLib.pacs.nodes import find_node

    return connect(find_node(read_config(config or default_config()), node))


def _print_found(found: Sequence[StudyEntry | SeriesEntry]) -> None:
    """What an entry is, and its UID uncut on a line of its own, to be copied."""
    if not found:
        typer.echo("Nothing was found.")
    for one in found:
        values = {name: value for name, value in asdict(one).items() if value}
        uid = values.pop("series", "") or values["study"]
        del values["study"]
        line = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
        typer.echo(printable(f"{line}\n    {uid}"))
