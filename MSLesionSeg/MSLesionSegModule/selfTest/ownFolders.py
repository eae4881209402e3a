"""Folders of a test's own: the user's models, replay buffers and folder of cases are left alone."""

import contextlib
import os
from pathlib import Path
from unittest import mock

from ..storage import trainingSet

_HOMES = {"MSLESIONSEG_MODELS": "models", "MSLESIONSEG_REPLAY": "replay"}


@contextlib.contextmanager
def ownFolders(folder: Path):
    """Keep models, replay buffers and cases in ``folder`` meanwhile."""
    cases, homes = trainingSet.casesFolder(), {name: str(folder / home) for name, home in _HOMES.items()}
    trainingSet.rememberCasesFolder(str(folder / "cases"))
    try:
        with mock.patch.dict(os.environ, homes):
            yield
    finally:
        trainingSet.rememberCasesFolder(cases)
