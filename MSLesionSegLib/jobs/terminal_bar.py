"""The events of a job as a person sees them on a terminal or in a log file."""

from __future__ import annotations

import sys
from typing import Any

from MSLesionSegLib.errors import Cancelled
from MSLesionSegLib.jobs.printable import printable
from MSLesionSegLib.jobs.standard_streams import reader_may_go

Event = dict[str, Any]


class TerminalBar:
    """Shows the events on standard error: a moving bar on a terminal, one line per stage in a log file."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        class QuietConsole(Console):
            def on_broken_pipe(self) -> None:  # rich would end the program
                raise

        self._console = QuietConsole(stderr=True, highlight=False)
        columns = (
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=36),
            TaskProgressColumn(),
            TextColumn("{task.fields[eta]}"),
        )
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task("", total=1.0, eta="")
        self._stage = ""
        if self._console.is_terminal:
            self._bar.start()

    def __call__(self, event: Event) -> None:
        with reader_may_go(sys.stderr):
            self._show(event)

    def close(self) -> None:
        """Take the bar away."""
        with reader_may_go(sys.stderr):
            self._bar.stop()

    def _show(self, event: Event) -> None:
        kind = event["event"]
        if kind == "progress":
            self._progress(event)
        elif kind == "metric":
            context = {k: v for k, v in event.items() if k not in ("event", "name", "value")}
            text = " ".join(f"{key} {value}" for key, value in context.items())
            self._print(f"{text} {event['name']} {event['value']:.4g}".strip())
        elif kind == "warning":
            self._print(f"Note: {event['sentence']}", style="yellow")
        elif kind == "error":
            style = "yellow" if event["code"] == Cancelled.code else "bold red"
            self._print(event["sentence"], style=style)

    def _progress(self, event: Event) -> None:
        if self._console.is_terminal:
            eta = "" if event["eta_s"] is None else f"about {_clock_text(event['eta_s'])} left"
            name = event["stage"].capitalize()
            self._bar.update(self._task, description=name, completed=event["fraction"], eta=eta)
        elif event["stage"] != self._stage:
            self._stage = event["stage"]
            self._print(f"[{event['fraction']:4.0%}] {self._stage}")

    def _print(self, text: str, style: str | None = None) -> None:
        self._console.print(printable(text), style=style, markup=False, soft_wrap=True)


def _clock_text(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"
