"""Folders of a test's own: the user's models, replay buffers and folder of cases are left alone."""

import contextlib
import os
from pathlib import Path

from ..storage import trainingSet

_HOMES = {"MSLESIONSEG_MODELS": "models", "MSLESIONSEG_REPLAY": "replay"}


@contextlib.contextmanager
def ownFolders(folder: Path):
    """Keep models, replay buffers and cases in ``folder`` meanwhile."""
    cases, before = trainingSet.casesFolder(), {name: os.environ.get(name) for name in _HOMES}
    os.environ.update({name: str(folder / home) for name, home in _HOMES.items()})
    trainingSet.rememberCasesFolder(str(folder / "cases"))
    try:
        yield
    finally:
        trainingSet.rememberCasesFolder(cases)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
