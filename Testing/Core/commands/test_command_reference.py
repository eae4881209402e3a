"""The reference of the commands says what the commands say."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def test_the_reference_is_that_of_the_commands_as_they_are():
    script = DOCS / "make_command_reference.py"
    written = (DOCS / "command-reference.md").read_text(encoding="utf-8")
    assert runpy.run_path(str(script))["reference"]() == written, f"run python {script}"
