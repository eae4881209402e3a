"""Scene tests run on the slicer-core wheel: Slicer's own scene, nodes and readers without its window."""

from __future__ import annotations

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
    import crashes
    import scene as harness
    from folders import useFolders

    harness.start()

    @pytest.fixture(autouse=True)
    def survives():
        """A test fails in which something happens that crashes a real Slicer."""
        yield
        crashes.check()

    @pytest.fixture(autouse=True)
    def own_folders(tmp_path, monkeypatch):
        """An empty folder for models, which is not the user's."""
        return useFolders(tmp_path / "own", monkeypatch.setenv)

    @pytest.fixture
    def scene():
        """An empty scene."""
        harness.clear()
        yield slicer.mrmlScene
        harness.clear()

    @pytest.fixture(scope="session")
    def models_folder(tmp_path_factory):
        """A models folder with one small model, ``bright``."""
        from phantoms.hospital import save_bright_model

        folder = tmp_path_factory.mktemp("models")
        save_bright_model(folder)
        return folder

    @pytest.fixture
    def models(models_folder, own_folders, monkeypatch):
        """Use the small model's folder as the user's, here and in child processes."""
        monkeypatch.setenv("MSLESIONSEG_MODELS", str(models_folder))
        return models_folder
