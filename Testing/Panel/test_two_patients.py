"""Scans of several patients in one scene: nothing of one is taken for the other's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import layout as layouts
import numpy as np
import panel as harness
import pytest
import scene as scenes
import slicer
from pressing import choose_model, choose_task, choosing, decisions, press, settle

from MSLesionSegLib.files.checksums import file_sha256
from phantoms.hospital import save_patient, save_result

REJECT = "C"
ONE_VIEW = 6


class Clinic:
    """Two patients' scans and what was found on them; ``show`` is what Slicer does with a scan that it loads."""

    def __init__(self, panel, folder: Path):
        self.panel = panel
        layouts.manager().setLayout(ONE_VIEW)
        self.view = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceCompositeNode")
        self.files, self.results = {}, {}
        for number, name in enumerate(("sub-01_FLAIR", "sub-02_FLAIR")):
            self.files[name] = folder / f"{name}.nii.gz"
            lesions = save_patient(self.files[name], seed=number)
            self.results[name] = save_result(self.files[name], lesions, folder / f"{name}_result")

    def load(self, name: str):
        volume = scenes.loadVolume(self.files[name])
        settle(self.panel)
        return volume

    def show(self, volume) -> None:
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            composite.SetBackgroundVolumeID(volume.GetID())
        settle(self.panel)

    def open(self, name: str):
        """Open the result of a scan that is in the scene; returns the segmentation."""
        with choosing(self.results[name] / "result.json"):
            self.panel.ui.openResultButton.click()
        settle(self.panel)
        return self.panel.review.session.node


@pytest.fixture
def clinic(panel, tmp_path):
    return Clinic(panel, tmp_path)


def visible(node) -> bool:
    return bool(node.GetDisplayNode().GetVisibility())


def test_a_newly_loaded_scan_is_offered_as_the_next_and_the_review_stays(panel, clinic):
    first = clinic.load("sub-01_FLAIR")
    lesions = clinic.open("sub-01_FLAIR")
    assert panel.ui.scanLabel.text == "sub-01_FLAIR" and panel.ui.nextScanButton.isHidden()
    press(panel, "N")
    second = clinic.load("sub-02_FLAIR")
    assert panel.review.session.node is lesions and panel.ui.flairSelector.currentNode() is first
    assert panel.ui.nextScanButton.text == "Next: sub-02_FLAIR" and not panel.ui.nextScanButton.isHidden()
    panel.ui.nextScanButton.click()
    assert panel.ui.flairSelector.currentNode() is second
    assert clinic.view.GetBackgroundVolumeID() == second.GetID()
    assert panel.review.session is None and not visible(lesions)
    assert panel.ui.nextScanButton.isHidden()


@pytest.mark.parametrize("way", ["background", "selector"])
def test_while_another_scan_is_shown_nothing_is_decided_and_its_review_comes_back_whole(panel, clinic, way):
    first = clinic.load("sub-01_FLAIR")
    lesions = clinic.open("sub-01_FLAIR")
    press(panel, "N")
    press(panel, REJECT)
    press(panel, "A")
    before, decided = panel.review.session, sorted(decisions(panel))
    second = clinic.load("sub-02_FLAIR")

    def turn_to(volume) -> None:
        if way == "background":
            clinic.show(volume)
        else:
            panel.ui.flairSelector.setCurrentNode(volume)
            settle(panel)

    turn_to(second)
    assert not visible(lesions) and panel.ui.lesionTable.rowCount == 0
    assert panel.ui.scanLabel.text.startswith("sub-02_FLAIR is shown")
    assert not panel.ui.addCaseButton.enabled
    assert panel.ui.flairSelector.currentNode() is second, "what is searched is what is shown"
    for key in ("A", REJECT, "U", "M", "E", "H"):
        press(panel, key)
    assert sorted(row.decision for row in before.review.rows) == decided and not visible(lesions)

    turn_to(first)
    assert panel.review.session is before and visible(lesions)
    assert sorted(decisions(panel)) == decided
    assert panel.ui.scanLabel.text == "sub-01_FLAIR" and panel.ui.flairSelector.currentNode() is first
    press(panel, "U")
    assert sorted(decisions(panel)) != decided, "its steps can still be taken back"


def test_a_key_acts_on_what_is_shown_although_the_panel_has_not_followed_yet(panel, clinic):
    clinic.load("sub-01_FLAIR")
    clinic.open("sub-01_FLAIR")
    press(panel, "N")
    found = panel.review.session
    second = clinic.load("sub-02_FLAIR")
    clinic.view.SetBackgroundVolumeID(second.GetID())
    press(panel, REJECT)
    assert {row.decision for row in found.review.rows} == {"open"}


def test_each_of_two_patients_keeps_its_own_review(panel, clinic):
    scans = [clinic.load(name) for name in clinic.files]
    nodes = []
    for scan, name, key in zip(scans, clinic.files, ("A", REJECT), strict=True):
        clinic.show(scan)
        nodes.append(clinic.open(name))
        press(panel, "N")
        press(panel, key)
    for turn in (0, 1, 0, 1):
        clinic.show(scans[turn])
        assert panel.review.session.node is nodes[turn]
        assert [visible(node) for node in nodes] == [turn == 0, turn == 1]
        assert set(decisions(panel)) == [{"accepted", "open"}, {"open", "rejected"}][turn]
        assert panel.ui.scanLabel.text == scans[turn].GetName()


def test_what_was_painted_last_is_kept_when_another_scan_is_shown(panel, clinic):
    first = clinic.load("sub-01_FLAIR")
    clinic.open("sub-01_FLAIR")
    press(panel, "N")
    press(panel, "E")
    found = panel.review.session
    free = tuple(int(v) for v in np.argwhere(~found.review.mask)[40_000])
    panel.ui.segmentEditor.paint(free)
    clinic.show(clinic.load("sub-02_FLAIR"))
    assert panel.ui.segmentEditor.segmentationNode() is None, "no stroke falls on the other scan"
    clinic.show(first)
    assert panel.review.session.review.mask[free]


def test_another_sequence_of_the_examination_does_not_end_the_review(panel, clinic, tmp_path):
    clinic.load("sub-01_FLAIR")
    lesions = clinic.open("sub-01_FLAIR")
    same, other = (tmp_path / f"sub-0{n}_T1w.nii.gz" for n in (1, 2))
    shutil.copy(clinic.files["sub-01_FLAIR"], same)
    shutil.copy(clinic.files["sub-01_FLAIR"], other)
    clinic.show(scenes.loadVolume(same))
    assert panel.review.session.node is lesions and visible(lesions)
    clinic.show(scenes.loadVolume(other))
    assert panel.review.session is None and not visible(lesions)


def test_lesions_that_are_found_while_the_person_is_at_another_scan_do_not_push_in(panel, clinic):
    first, second = (clinic.load(name) for name in clinic.files)
    clinic.show(second)
    reviewed = clinic.open("sub-02_FLAIR")
    clinic.show(first)
    choose_model(panel)
    panel.ui.segmentButton.click()
    clinic.show(second)
    harness.wait(lambda: panel.search.row.job is None)
    settle(panel)
    assert panel.review.session.node is reviewed and visible(reviewed)
    assert clinic.view.GetBackgroundVolumeID() == second.GetID()
    assert "sub-01_FLAIR" in panel.ui.messageLabel.text
    clinic.show(first)
    assert panel.review.session.volume is first and visible(panel.review.session.node)


def test_what_is_searched_is_shown_although_another_patient_was_loaded_last(panel, clinic, load):
    baseline, followup = load("sub-03_ses-1_FLAIR"), load("sub-03_ses-2_FLAIR")
    other = clinic.load("sub-02_FLAIR")
    choose_task(panel, "new")
    settle(panel)
    clinic.view.SetBackgroundVolumeID(other.GetID())
    panel.parameters.node.baselineVolume, panel.parameters.node.followupVolume = baseline, followup
    clinic.view.SetBackgroundVolumeID(other.GetID())
    panel.ui.segmentButton.click()
    settle(panel)
    assert panel.search.row.job is not None
    assert clinic.view.GetBackgroundVolumeID() == followup.GetID()
    chosen = panel.parameters.node
    assert [chosen.baselineVolume, chosen.followupVolume] == [baseline, followup]
    panel.ui.segmentButton.click()
    harness.wait(lambda: panel.search.row.job is None)


def test_the_panel_follows_the_views_only_when_a_scene_is_loaded_completely(panel, clinic):
    first, second = (clinic.load(name) for name in clinic.files)
    clinic.show(first)
    lesions = clinic.open("sub-01_FLAIR")
    slicer.mrmlScene.StartState(slicer.vtkMRMLScene.BatchProcessState)
    clinic.view.SetBackgroundVolumeID(second.GetID())
    panel.focus.look()
    assert panel.review.session.node is lesions and panel.focus.waiting
    slicer.mrmlScene.EndState(slicer.vtkMRMLScene.BatchProcessState)
    settle(panel)
    assert panel.review.session is None


def test_the_module_comes_back_to_the_scan_that_is_shown(panel, clinic):
    first, second = (clinic.load(name) for name in clinic.files)
    clinic.show(first)
    lesions = clinic.open("sub-01_FLAIR")
    panel.exit()
    clinic.view.SetBackgroundVolumeID(second.GetID())
    panel.enter()
    assert panel.review.session is None and not visible(lesions)
    panel.exit()
    clinic.view.SetBackgroundVolumeID(first.GetID())
    panel.enter()
    assert panel.review.session.node is lesions and visible(lesions)


def test_the_views_are_watched_once_however_often_the_module_is_entered(panel, clinic):
    first = clinic.load("sub-01_FLAIR")
    clinic.show(first)
    before = dict(panel.focus._observed)
    for _ in range(3):
        panel.exit()
        panel.enter()
    assert panel.focus._observed.keys() == before.keys() != set()
    panel.exit()
    assert not panel.focus._observed


def test_the_scans_of_a_comparison_are_asked_for_again_when_one_of_them_is_chosen(panel, clinic, tmp_path):
    pair = [tmp_path / f"sub-03_ses-{n}_FLAIR.nii.gz" for n in (1, 2)]
    lesions = [save_patient(path, seed=n) for n, path in enumerate(pair, 3)][1]
    clinic.results["pair"] = save_result(pair[1], lesions, tmp_path / "pair_result")
    file = clinic.results["pair"] / "result.json"
    manifest = json.loads(file.read_text())
    manifest["inputs"] = {
        name: manifest["inputs"]["flair"] | {"sha256": file_sha256(path)}
        for name, path in zip(("baseline", "followup"), pair, strict=True)
    }
    manifest["files"] = {f"followup_{role}": name for role, name in manifest["files"].items()}
    file.write_text(json.dumps(manifest | {"task": "new"}))
    scans = [scenes.loadVolume(path) for path in pair]
    found = clinic.open("pair")
    assert panel.ui.scanLabel.text == "sub-03_ses-1_FLAIR, sub-03_ses-2_FLAIR"
    other = clinic.load("sub-01_FLAIR")
    clinic.show(other)
    chosen = panel.parameters.node
    assert panel.review.session is None and not visible(found)
    assert [chosen.baselineVolume, chosen.followupVolume] == [other, None]
    panel.ui.followupSelector.setCurrentNode(scans[1])
    settle(panel)
    assert panel.review.session.node is found and visible(found)
    assert [chosen.baselineVolume, chosen.followupVolume] == scans
