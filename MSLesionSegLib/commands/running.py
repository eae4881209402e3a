"""What commands share: running a job, ending with a sentence, printing tables."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

import typer

from MSLesionSegLib.commands.options import JobOptions
from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.jobs.job import NOTHING_WRITTEN, ExitCode, Job, run_job
from MSLesionSegLib.jobs.printable import printable
from MSLesionSegLib.jobs.standard_streams import reader_may_go

if TYPE_CHECKING:
    from rich.table import Table

T = TypeVar("T")


def run(
    command: str,
    work: Callable[[Job], T],
    stages: Mapping[str, float | None],
    describe: Callable[[T], dict[str, Any]],
    options: JobOptions,
    cancelled: str = NOTHING_WRITTEN,
    show: Callable[[T], None] = lambda value: None,
) -> T:
    """Run ``work`` as a job and return what it made; leaves the program with the job's exit code otherwise.

    ``show`` prints what came out, for a person: not where a program reads the events.
    """
    outcome = run_job(
        command,
        work,
        stages=stages,
        describe=describe,
        events=options.events,
        stop_file=options.stop_file,
        cancelled=cancelled,
    )
    if outcome.code != ExitCode.DONE:
        raise typer.Exit(int(outcome.code))
    value = cast(T, outcome.value)
    if not options.events:
        with printing():
            show(value)
    return value


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Print what came out. The work is done: a reader that has gone, such as ``head``, is no failure."""
    with reader_may_go(sys.stdout):
        yield


def or_exit(call: Callable[[], T]) -> T:
    """Call a quick thing; an error that a person can mend is printed as its sentence."""
    try:
        return call()
    except MSLesionSegError as error:
        with reader_may_go(sys.stderr):
            typer.secho(printable(str(error)), err=True, fg="red")
        raise typer.Exit(int(ExitCode.USER_ERROR)) from None


_ENDLESS = 10_000  # characters


def new_table(*columns: str) -> Table:
    """A table for the terminal; columns of numbers are recognised by their unit."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    class PrintableTable(Table):
        def add_row(self, *cells: Any, **style: Any) -> None:
            super().add_row(*(printable(cell) for cell in cells), **style)

    table = PrintableTable(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        number = column.endswith((".", "mm3", "mm")) or column.startswith("p ")
        table.add_column(
            column, justify="right" if number else "left", overflow="fold", min_width=len(column)
        )
    return table


def print_table(table: Table) -> None:
    """Print a table of :func:`new_table`."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)  # names and descriptions may hold brackets
    # in less room whole columns would be left out
    endless = console.options.update(width=_ENDLESS)
    console.width = max(console.width, console.measure(table, options=endless).minimum)
    with console.capture() as text:  # rich would end the program where the reader has gone
        console.print(table, crop=False)
    typer.echo(text.get(), nl=False)
