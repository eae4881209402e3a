"""A folder that answers slowly, as over a network: the panel goes on, and shows what was asked for last."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import panel as harness
import pytest
from MSLesionSegModule.storage.background import _Reading
from test_training_sections import file_cases

from MSLesionSegLib.cases import case_set
from MSLesionSegLib.network.models import model_tree


class SlowFolders:
    """Lists folders, each only once the test lets it answer."""

    def __init__(self, list_cases) -> None:
        self._list_cases = list_cases
        self.asked: list[str] = []
        self._answers: dict[str, threading.Event] = {}

    def __call__(self, folder, task=None):
        self.asked.append(folder.name)
        assert self.answer(folder.name).wait(60)
        return self._list_cases(folder, task)

    def answer(self, name: str) -> threading.Event:
        return self._answers.setdefault(name, threading.Event())


@pytest.fixture
def slow(monkeypatch):
    folders = SlowFolders(case_set.list_cases)
    monkeypatch.setattr(case_set, "list_cases", folders)
    yield folders
    for name in folders.asked:
        folders.answer(name).set()


@pytest.fixture
def far(panel, tmp_path, slow) -> Path:
    """Another folder, with two cases; the panel knows the first one, with three."""
    slow.answer("cases").set()
    file_cases(panel, tmp_path)
    assert panel.ui.casesLabel.text.startswith("3 cases")
    folder = Path(shutil.copytree(tmp_path / "cases", tmp_path / "far"))
    next(folder.rglob("*_mask.json")).unlink()
    return folder


def choose(panel, folder: Path) -> None:
    panel.ui.casesFolderButton.directory = str(folder)


def test_the_panel_says_that_it_reads_and_goes_on_meanwhile(panel, far, slow):
    choose(panel, far)
    harness.wait(lambda: slow.asked[-1] == "far")
    assert "being read" in panel.ui.casesLabel.text and "being read" in panel.ui.newCasesLabel.text
    assert not panel.ui.trainButton.enabled and "being read" in panel.ui.trainButton.toolTip
    slow.answer("far").set()
    harness.wait(lambda: panel.ui.casesLabel.text.startswith("2 cases"))
    assert panel.ui.trainButton.enabled


def test_what_a_folder_of_before_answers_late_changes_nothing(panel, far, slow):
    choose(panel, far)
    harness.wait(lambda: slow.asked[-1] == "far")
    choose(panel, far.with_name("cases"))
    harness.wait(lambda: panel.ui.casesLabel.text.startswith("3 cases"))
    slow.answer("far").set()
    harness.wait(lambda: not any(isinstance(thread, _Reading) for thread in threading.enumerate()))
    assert panel.ui.casesLabel.text.startswith("3 cases")


def test_records_are_read_again_only_when_some_were_written(panel, tmp_path, slow):
    slow.answer("cases").set()
    file_cases(panel, tmp_path)
    listed = len(slow.asked)
    panel.exit()
    panel.enter()
    harness.diskRead(panel)
    assert len(slow.asked) == listed
    next((tmp_path / "cases").rglob("*_mask.json")).unlink()
    harness.diskRead(panel)
    assert len(slow.asked) == listed + 1
    assert panel.ui.casesLabel.text.startswith("2 cases")


def test_nothing_is_searched_before_the_models_are_known(panel, load, monkeypatch):
    answer, list_family = threading.Event(), model_tree.list_family
    monkeypatch.setattr(model_tree, "list_family", lambda: answer.wait(60) and list_family())
    harness.closePanel(panel)
    load("sub-01_FLAIR")
    panel.setup()
    panel.enter()
    harness.wait(lambda: panel.ui.flairSelector.currentNode() is not None)
    assert not panel.ui.segmentButton.enabled and "being read" in panel.ui.segmentButton.toolTip
    answer.set()
    harness.wait(lambda: panel.ui.segmentButton.enabled)
    assert panel.ui.modelTable.rowCount > 0
