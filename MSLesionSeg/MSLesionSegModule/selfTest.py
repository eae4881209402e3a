"""The module on a synthetic patient, inside Slicer: find, review, export, file; then the same with the panel."""

import tempfile
import time
from pathlib import Path

import numpy as np
import slicer

from . import volumes
from .sampleData import addSyntheticPatient

_LONGEST_S = 600


def runSelfTest(test, logic, volume=None, model: str | None = None) -> None:
    """Go through the module's steps without a panel.

    Args:
        test: a unittest case.
        logic: of the module.
        volume: FLAIR to use; a synthetic patient when None.
        model: model to use; the one in use when None.
    """
    test.assertTrue(logic.coreVersion())
    missing = logic.packages.missing()
    if missing:
        test.skipTest(f"Not installed: {', '.join(missing)}")
    test.delayDisplay("Find lesions")
    volume = volume or addSyntheticPatient()
    findings = logic.segment("flair", {"flair": volume}, model=model)
    review = findings.review
    test.assertGreater(len(review.rows), 0)

    test.delayDisplay("Review")
    review.accept(1)
    if len(review.rows) > 1:
        review.reject(2)
    findings.show()
    again = logic.findingsOf(findings.node)
    test.assertTrue(np.array_equal(again.review.mask, review.mask))
    test.assertEqual([row.decision for row in again.review.rows], [row.decision for row in review.rows])

    test.delayDisplay("File the case")
    with tempfile.TemporaryDirectory() as folder:
        case = logic.addCase(findings, Path(folder) / "cases", reviewer="SELFTEST")
        test.assertTrue(case["stored"])
        test.assertEqual(case["lesions"], len(review.lesions))
    test.assertEqual(volumes.voxelsOf(volume).shape, review.mask.shape)
    test.delayDisplay("Passed")


def runPanelTest(test, panel, volume=None, model: str = "") -> None:
    """Press the panel's buttons in an empty scene, as a person does.

    Args:
        test: a unittest case.
        panel: the module's widget, entered.
        volume: FLAIR to use; a synthetic patient when None.
        model: model to use; the one in use when empty.
    """
    ui, review = panel.ui, panel.review
    test.delayDisplay("Find lesions with the panel")
    panel._parameterNode.flairVolume = volume or addSyntheticPatient()
    ui.modelComboBox.currentIndex = ui.modelComboBox.findData(model)
    test.assertTrue(ui.segmentButton.enabled, ui.segmentButton.toolTip)
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    ui.segmentButton.click()
    _until(lambda: ui.segmentProgressBar.value > 0)
    ui.segmentButton.click()
    _until(lambda: panel.segment._job is None)
    test.assertEqual(
        slicer.mrmlScene.GetNumberOfNodes(), nodes, "a cancelled search leaves the scene as it was"
    )
    ui.segmentButton.click()
    _until(lambda: panel.segment._job is None)
    test.assertIsNotNone(review.findings, ui.messageLabel.text)
    total = ui.lesionTable.rowCount
    test.assertGreater(total, 0)

    test.delayDisplay("Review with the panel")
    ui.nextButton.click()
    ui.rejectButton.click()
    test.assertEqual(review.findings.review.progress[0], 1)
    ui.undoButton.click()
    test.assertEqual(review.findings.review.progress[0], 0)
    ui.nextButton.click()
    ui.editButton.click()
    test.assertEqual(ui.segmentEditor.currentSegmentID(), "lesion")
    test.assertIs(ui.segmentEditor.segmentationNode(), review.findings.node)
    ui.acceptButton.click()
    free = tuple(int(v) for v in np.argwhere(~review.findings.review.mask)[0])
    painted = review.findings.review.mask.copy()
    painted[free] = True
    array = np.ascontiguousarray(painted.T, dtype=np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        array, review.findings.node, "lesion", review.findings.volume
    )
    _until(lambda: bool(review.findings.review.mask[free]))
    ui.thresholdSlider.value = 0.8
    _until(lambda: review.findings.review.rule.threshold == 0.8)
    test.assertTrue(review.findings.review.mask[free], "the threshold keeps what was painted")

    test.delayDisplay("Close the scene")
    slicer.mrmlScene.Clear()
    test.assertIsNone(review.findings)
    test.assertEqual(ui.lesionTable.rowCount, 0)
    test.delayDisplay("Passed")


def _until(condition) -> None:
    end = time.monotonic() + _LONGEST_S
    while not condition():
        slicer.app.processEvents()
        time.sleep(0.02)
        if time.monotonic() > end:
            raise TimeoutError("The panel did not get there in time.")
