"""The module without its panel: the self test that Slicer runs, and the console."""

from __future__ import annotations

import os
import unittest
from pathlib import Path

import pytest
import scene as scenes
import slicer


class Case(unittest.TestCase):
    def delayDisplay(self, text):
        pass


def test_the_self_test_needs_no_packages_for_layouts_and_scenes(panel):
    from MSLesionSegModule.selfTest.logicTest import runStartTest

    runStartTest(Case(), panel)


def test_the_self_test_goes_through_the_steps_without_a_window(panel, scan):
    from MSLesionSegModule.selfTest.logicTest import runLogicTest

    runLogicTest(Case(), panel.logic, volume=scenes.loadVolume(scan), model="bright")
    assert len(panel.logic._jobs) == 0


@pytest.mark.slow
def test_the_self_test_presses_the_panel_s_buttons_from_the_search_to_another_model(panel, scan):
    from MSLesionSegModule.selfTest.panelTest import runPanelTest

    folder = os.environ["MSLESIONSEG_MODELS"]
    runPanelTest(Case(), panel, volume=scenes.loadVolume(scan), model="bright")
    assert os.environ["MSLESIONSEG_MODELS"] == folder
    assert [path.name for path in Path(folder).iterdir() if path.is_dir()] == ["bright"]


def test_the_working_folder_goes_with_the_module(panel):
    folder = panel.logic.workFolder()
    assert folder.is_dir() and str(folder).startswith(slicer.app.temporaryPath)
    panel.logic.cleanup()
    assert not folder.exists()


def test_closing_the_scene_ends_every_search(panel, scan):
    volume = scenes.loadVolume(scan)
    searches = [panel.logic.segment("flair", {"flair": volume}, model="bright", wait=False) for _ in range(2)]
    scenes.clear()
    assert all(job._process.poll() is not None for job in searches)


def test_a_script_is_told_when_the_scene_is_closed_while_the_result_comes(panel, scan, monkeypatch):
    volume = scenes.loadVolume(scan)
    jobs = panel.logic._jobs._jobs

    def closeTheScene():
        if jobs and jobs[0]._completing is not None:
            scenes.clear()

    monkeypatch.setattr(slicer.app, "processEvents", closeTheScene)
    with pytest.raises(RuntimeError, match="cancelled"):
        panel.logic.segment("flair", {"flair": volume}, model="bright")
