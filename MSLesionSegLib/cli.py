"""The command ``mslesionseg``: its parts put together. Work is imported inside commands; help stays quick."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from MSLesionSegLib import __version__
from MSLesionSegLib.commands import cases, models, replay, segment
from MSLesionSegLib.commands.batch import batch
from MSLesionSegLib.commands.demo import demo
from MSLesionSegLib.commands.dicom import dicom, pacs
from MSLesionSegLib.commands.dicom.node import node
from MSLesionSegLib.commands.evaluate import evaluate
from MSLesionSegLib.commands.new_lesions import segment_new
from MSLesionSegLib.commands.pretrain import pretrain
from MSLesionSegLib.commands.running import printing
from MSLesionSegLib.commands.selfcheck import selfcheck
from MSLesionSegLib.commands.study import study
from MSLesionSegLib.commands.train import train
from MSLesionSegLib.jobs.standard_streams import abandon, open_closed_streams, reader_has_gone

app = typer.Typer(
    name="mslesionseg",
    help="Multiple sclerosis lesions on brain MRI. For research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
segment.app.command("new")(segment_new)
app.add_typer(segment.app, name="segment")
app.add_typer(models.app, name="models")
app.add_typer(cases.app, name="cases")
app.add_typer(dicom.app, name="dicom")
app.add_typer(study.app, name="study")
app.command()(batch)
app.add_typer(pacs.app, name="pacs")
app.add_typer(replay.app, name="replay")
app.command()(demo)
app.command()(evaluate)
app.command()(node)
app.command()(pretrain)
app.command()(selfcheck)
app.command()(train)


@app.command()
def info() -> None:
    """Versions, devices and models, to send along with a question. Holds no patient data."""
    from MSLesionSegLib.diagnostics import diagnostic_text

    text = diagnostic_text()
    with printing():
        typer.echo(text)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        with printing():
            typer.echo(f"mslesionseg {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command; the entry point of the installed program."""
    open_closed_streams()
    try:
        app()
    except SystemExit as end:
        if not reader_has_gone(end):
            raise
        abandon(sys.stdout)
