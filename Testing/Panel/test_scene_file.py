"""A scene that is saved to a file and loaded again holds the review, the corrections and the panel's choices."""

from __future__ import annotations

import numpy as np
import panel as harness
from pressing import decisions, open_result, press, save_and_load


def test_what_was_decided_painted_and_chosen_survives_the_file(panel, scan, result, tmp_path):
    open_result(panel, scan, result)
    parameters = panel.parameters.node
    press(panel, "N")
    press(panel, "A")
    press(panel, "C")
    press(panel, "E")
    free = tuple(int(v) for v in np.argwhere(~panel.review.session.review.mask)[40_000])
    panel.ui.segmentEditor.paint(free)
    harness.wait(lambda: panel.review.session.review.mask[free])
    panel.ui.thresholdSlider.value = 0.35
    panel.ui.minimumSlider.value = 12
    harness.wait(lambda: panel.review.session.review.rule.minimum_mm3 == 12)
    parameters.order = type(parameters.order).largest
    parameters.device = type(parameters.device).cpu
    parameters.tune = type(parameters.tune).last
    parameters.minutes, parameters.replay, parameters.leaveOneOut, parameters.correctBias = (
        7,
        False,
        True,
        True,
    )
    panel.ui.startComboBox.currentIndex = panel.ui.startComboBox.findData("bright")
    before = panel.review.session
    shown = [panel.ui.lesionTable.item(i, 3).text() for i in range(panel.ui.lesionTable.rowCount)]

    save_and_load(tmp_path)

    after = panel.review.session
    assert after is not None and after.node is not before.node
    assert np.array_equal(after.review.mask, before.review.mask) and after.review.mask[free]
    assert after.review.rule == before.review.rule
    assert sorted(decisions(panel)) == sorted(row.decision for row in before.review.rows)
    assert [panel.ui.lesionTable.item(i, 3).text() for i in range(panel.ui.lesionTable.rowCount)] == shown
    assert after.record["model"] == before.record["model"]
    ui = panel.ui
    assert (ui.thresholdSlider.value, ui.minimumSlider.value) == (0.35, 12)
    assert panel.scans._choice.name == panel.train._choice.name == "bright"
    assert ui.orderComboBox.currentText == "Largest first" and ui.deviceComboBox.currentText == "CPU"
    assert ui.minutesSpinBox.value == 7 and ui.leaveOneOutCheckBox.checked and ui.biasCheckBox.checked
    assert not ui.replayCheckBox.checked and panel.parameters.node.tune.value == "last"
    assert ui.flairSelector.currentNode().GetID() == after.volume.GetID()


def test_the_task_survives_the_file(panel, tmp_path):
    panel.ui.taskComboBox.currentIndex = 2
    save_and_load(tmp_path)
    assert panel.ui.taskComboBox.currentIndex == 2
    assert panel.parameters.task == "enhancing"
    assert not panel.ui.preSelector.isHidden() and panel.ui.baselineSelector.isHidden()


def test_a_case_of_a_scene_that_was_loaded_can_be_filed(panel, scan, result, tmp_path):
    import nibabel as nib
    from MSLesionSegModule.scene.volumes import affineOf

    def places(mask, affine) -> set[tuple[float, ...]]:
        return set(map(tuple, np.round(nib.affines.apply_affine(affine, np.argwhere(mask)), 2)))

    open_result(panel, scan, result)
    found = panel.review.session
    wanted = places(found.review.mask, affineOf(found.volume))
    save_and_load(tmp_path)
    scan.unlink()  # the scan's own file has gone, as on another computer
    case = panel.logic.addCase(panel.review.session, tmp_path / "cases", reviewer="R1")
    assert case["stored"] and case["lesions"] == 4
    (filed,) = (tmp_path / "cases").rglob("*_desc-v1_mask.nii.gz")
    assert places(nib.load(filed).dataobj, nib.load(filed).affine) == wanted
