"""Panel tests press the buttons of the real panel, offscreen in PySide6, over a real scene and real jobs."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "harness"))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

try:
    import slicer
    from PySide6 import QtWidgets  # noqa: F401

    MISSING = None
except ImportError as error:
    MISSING = f"{error.name} is not installed: pip install .[panel]"


def pytest_collection_modifyitems(items):
    if MISSING:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=MISSING))


if MISSING:
    collect_ignore_glob = ["test_*.py"]
else:
    import crashes
    import panel as harness
    import scene as scenes
    from folders import useFolders
    from segmented import segmented

    from support.forked_commands import forked_commands

    harness.start()
    from slicer import packaging

    for file in Path(__file__).parent.rglob("test_*.py"):
        importlib.import_module("__feature__").set_selection(2, file.stem)

    @pytest.fixture(autouse=True)
    def survives():
        """A test fails in which something happens that crashes a real Slicer."""
        yield
        crashes.check()

    @pytest.fixture(scope="session", autouse=True)
    def forked_jobs():
        """Jobs begin at once."""
        with forked_commands():
            yield

    @pytest.fixture(autouse=True)
    def own_folders(tmp_path, monkeypatch):
        """A folder for models that holds none, and is not the user's."""
        return useFolders(tmp_path / "own", monkeypatch.setenv)

    @pytest.fixture(scope="session")
    def models_folder(tmp_path_factory):
        """A models folder with one small model, ``bright``."""
        from phantoms.hospital import save_bright_model

        folder = tmp_path_factory.mktemp("models")
        save_bright_model(folder)
        return folder

    @pytest.fixture(scope="session")
    def patient(tmp_path_factory):
        """A left-handed FLAIR of the small patient."""
        from phantoms.hospital import save_patient

        path = tmp_path_factory.mktemp("patient") / "sub-01_FLAIR.nii.gz"
        save_patient(path, "LAS")
        return path

    @pytest.fixture
    def scan(tmp_path, patient):
        """The small patient's FLAIR, in a folder of its own."""
        return Path(shutil.copy(patient, tmp_path))

    @pytest.fixture(scope="session")
    def stored_result(models_folder, patient, tmp_path_factory):
        """The result folder that the command line makes of the small patient."""
        return segmented(patient, tmp_path_factory.mktemp("results") / "sub-01", models_folder)

    @pytest.fixture
    def result(tmp_path, stored_result):
        """A copy of that result folder, which a test may damage."""
        return Path(shutil.copytree(stored_result, tmp_path / "result"))

    @pytest.fixture
    def panel(models_folder, own_folders):
        """The open panel over an empty scene, with models of its own and settings that hold nothing."""
        import qt

        shutil.copytree(models_folder, own_folders)
        qt.QSettings().clear()
        slicer.harnessAnswers.clear()
        slicer.harnessErrors.clear()
        packaging.installed.clear()
        scenes.clear()
        opened = harness.openPanel()
        yield opened
        harness.closePanel(opened)
        scenes.clear()


@pytest.fixture
def load(tmp_path, patient):
    """Loads the small patient's FLAIR under another name."""

    def loaded(name: str):
        return scenes.loadVolume(Path(shutil.copy(patient, tmp_path / f"{name}.nii.gz")))

    return loaded
