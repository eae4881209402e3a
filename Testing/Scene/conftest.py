"""Scene tests run on the slicer-core wheel: Slicer's own scene, nodes and readers without its window."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "harness"))

try:
    import slicer

    MISSING = None
except ImportError:
    MISSING = "slicer-core is not installed: pip install .[panel]"


def pytest_collection_modifyitems(items):
    if MISSING:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=MISSING))


if not MISSING:
    import scene as harness

    harness.start()

    @pytest.fixture
    def scene():
        """An empty scene."""
        harness.clear()
        yield slicer.mrmlScene
        harness.clear()

    @pytest.fixture(scope="session")
    def models_folder(tmp_path_factory):
        """A models folder with one small model, ``bright``."""
        from hospital import save_bright_model

        folder = tmp_path_factory.mktemp("models")
        save_bright_model(folder)
        return folder

    @pytest.fixture
    def models(models_folder, monkeypatch):
        """Use the small model's folder as the user's, here and in child processes."""
        monkeypatch.setenv("MSLESIONSEG_MODELS", str(models_folder))
        monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
        return models_folder
