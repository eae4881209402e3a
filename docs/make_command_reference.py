"""Writes docs/command-reference.md from the commands themselves: what each takes, its defaults and its help.

Run with the project's environment: python docs/make_command_reference.py

typer's own ``utils docs`` cuts the sentences of its lists short and writes another page with each version of typer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

from MSLesionSegLib.cli import app

PAGE = Path(__file__).parent / "command-reference.md"
SHARED = "Options of several commands"
HEAD = """# Reference of the commands

Written by `python docs/make_command_reference.py` from the commands themselves; what their results hold, and how they
work together: [command-line.md](command-line.md).
"""


def reference() -> str:
    """The page: links to all commands, the options that several of them take, then a section for each."""
    commands = list(_leaves(typer.main.get_command(app), "mslesionseg"))
    counts = Counter(row for _, command in commands for row in _rows(command, "option"))
    common = [row for row, count in counts.items() if count > 2]
    meanings = Counter(option for option, *_ in common)
    shared = [row for row in common if meanings[row[0]] == 1]
    links = (f"[`{name.partition(' ')[2]}`](#{name.replace(' ', '-')})" for name, _ in commands)
    lines = [HEAD, f"{' · '.join(links)}\n", f"## {SHARED}\n", *_table("Option", shared)]
    sections = [_section(name, command, shared) for name, command in commands]
    return "\n".join(lines) + "\n" + "\n".join(sections)


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for key, child in sorted(command.commands.items()):
        if not child.hidden:
            yield from _leaves(child, f"{name} {key}")


def _rows(command: Any, kind: str) -> list[tuple[str, str, str]]:
    """How each argument or option is written, its default and what it means."""
    parameters = [p for p in command.params if p.param_type_name == kind and not p.hidden]
    return [(f"`{_usage(p)}`", _default(p), _cell(p.help)) for p in parameters]


def _table(title: str, rows: Iterable[tuple[str, str, str]]) -> list[str]:
    head = [f"| {title} | Default | Meaning |", "| --- | --- | --- |"]
    return [*head, *(f"| {' | '.join(row)} |" for row in rows), ""]


def _section(name: str, command: Any, shared: Container[tuple[str, str, str]]) -> str:
    options = _rows(command, "option")
    own = [*_rows(command, "argument"), *(row for row in options if row not in shared)]
    also = ", ".join(row[0] for row in options if row in shared)
    lines = [f"## `{name}`", "", command.help.strip(), ""]
    lines += _table("Argument or option", own) if own else []
    link = SHARED.lower().replace(" ", "-")
    return "\n".join(lines + ([f"{'And ' if own else ''}[as others](#{link}): {also}.", ""] if also else []))


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
