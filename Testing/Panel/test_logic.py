"""The module without its panel: the self test that Slicer runs, and the console."""

from __future__ import annotations

import unittest

import pytest
import scene as scenes
import slicer


def test_the_self_test_goes_through_the_whole_story(panel, scan):
    from MSLesionSegModule.selfTest import runSelfTest

    class Case(unittest.TestCase):
        def delayDisplay(self, text):
            pass

    runSelfTest(Case(), panel.logic, volume=scenes.loadVolume(scan), model="bright")
    assert len(panel.logic._jobs) == 0


def test_the_self_test_presses_the_panel_s_buttons(panel, scan):
    from MSLesionSegModule.selfTest import runPanelTest

    class Case(unittest.TestCase):
        def delayDisplay(self, text):
            pass

    runPanelTest(Case(), panel, volume=scenes.loadVolume(scan), model="bright")


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
