"""The user's folders, exchanged for others: tests and pictures never read or change what a person has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def useFolders(folder: Path, set_variable: Callable[[str, str], None]) -> Path:
    """Let the core, here and in child processes, keep models and replay buffers in ``folder``.

    ``set_variable``: sets an environment variable. Returns the models' folder.
    """
    set_variable("MSLESIONSEG_MODELS", str(folder / "models"))
    set_variable("MSLESIONSEG_REPLAY", str(folder / "replay"))
    set_variable("OMP_NUM_THREADS", "1")
    return folder / "models"
