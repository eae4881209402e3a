"""Writes docs/command-reference.md from the commands themselves: what each takes, its defaults and its help.

Run with the project's environment: python docs/make_command_reference.py

typer's own ``utils docs`` cuts the sentences of its lists short and writes another page with each version of typer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from MSLesionSegLib.cli import app

PAGE = Path(__file__).parent / "command-reference.md"
HEAD = """# Reference of the commands

Written by `python docs/make_command_reference.py` from the commands themselves; what their results hold, and how they
work together: [command-line.md](command-line.md).
"""


def reference() -> str:
    """The page: a table of all commands, then a section for each."""
    commands = list(_leaves(typer.main.get_command(app), "mslesionseg"))
    lines = [HEAD, "| Command | What it does |", "| --- | --- |"]
    lines += [
        f"| [`{name}`](#{name.replace(' ', '-')}) | {_cell(_summary(command))} |"
        for name, command in commands
    ]
    sections = [_section(name, command) for name, command in commands]
    return "\n".join(lines) + "\n\n" + "\n".join(sections)


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for key, child in sorted(command.commands.items()):
        if not child.hidden:
            yield from _leaves(child, f"{name} {key}")


def _section(name: str, command: Any) -> str:
    parameters = [p for p in command.params if not p.hidden]
    rows = [
        f"| `{_usage(p)}` | {_default(p)} | {_cell(p.help)} |"
        for kind in ("argument", "option")
        for p in parameters
        if p.param_type_name == kind
    ]
    head = [f"## `{name}`", "", command.help.strip(), ""]
    table = ["| Argument or option | Default | Meaning |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(head + (table if rows else []))


def _summary(command: Any) -> str:
    return command.help.strip().split("\n\n")[0]


def _usage(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    return ", ".join([*parameter.opts, *parameter.secondary_opts])


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    return "" if value in (None, False, "") else f"`{value}`"


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
