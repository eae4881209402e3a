"""Commands called in this process, as a person or a front end calls them."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from MSLesionSegLib.cli import app


def call(*arguments: object, fails: int = 0) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == fails, done.output
    return done.output


def events(*arguments: object, fails: int = 0) -> list[dict]:
    done = CliRunner().invoke(app, [*map(str, arguments), "--events"])
    assert done.exit_code == fails, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]
