"""The panel driven as a person does it, from the search to another model."""

import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import slicer

from ..scene import segments
from ..scene.reviewSession import reviewedSegments
from ..setup.sampleData import addSyntheticPatient
from .logicTest import changeLayouts
from .ownFolders import ownFolders

_LONGEST_S = 600


def runPanelTest(test, panel, volume=None, model: str = "") -> None:
    """Press the panel's buttons in an empty scene, as a person does: from the search to another model.

    Args:
        test: a unittest case.
        panel: the module's widget, entered.
        volume: FLAIR to use; a synthetic patient when None.
        model: model to use; the one in use when empty.
    """
    panel.parameters.node.flairVolume = volume or addSyntheticPatient()
    panel.ui.modelComboBox.currentIndex = panel.ui.modelComboBox.findData(model)
    _search(test, panel)
    _decide(test, panel)
    _stroke(test, panel)
    changeLayouts()
    start = _modelFolder(model)
    with tempfile.TemporaryDirectory() as name, ownFolders(Path(name)):
        _file(test, panel, Path(name))
        _train(test, panel, Path(name), start)
        _saveAndReload(test, panel, Path(name) / "scene.mrb")
    test.delayDisplay("Close the scene")
    slicer.mrmlScene.Clear()
    test.assertIsNone(panel.review.session)
    test.assertEqual(panel.ui.lesionTable.rowCount, 0)


def _search(test, panel) -> None:
    ui = panel.ui
    test.delayDisplay("Cancel a search, then find lesions")
    _until(lambda: not panel.modelStore.reading)
    test.assertTrue(ui.segmentButton.enabled, ui.segmentButton.toolTip)
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    ui.segmentButton.click()
    _until(lambda: ui.segmentProgressBar.value > 0)
    ui.segmentButton.click()
    _until(lambda: panel.search.row.job is None)
    test.assertEqual(
        slicer.mrmlScene.GetNumberOfNodes(), nodes, "a cancelled search leaves the scene as it was"
    )
    ui.segmentButton.click()
    _until(lambda: panel.search.row.job is None)
    test.assertIsNotNone(panel.review.session, ui.messageLabel.text)
    test.assertGreater(ui.lesionTable.rowCount, 0)


def _decide(test, panel) -> None:
    ui, session = panel.ui, panel.review.session
    test.delayDisplay("Accept, reject and undo")
    found = session.review.mask.copy()
    ui.nextButton.click()
    ui.rejectButton.click()
    test.assertEqual(session.review.progress[0], 1)
    test.assertLess(session.review.mask.sum(), found.sum())
    ui.undoButton.click()
    test.assertEqual(session.review.progress[0], 0)
    test.assertTrue(np.array_equal(_inScene(session), found), "undo brings back what was found")
    ui.acceptButton.click()
    test.assertEqual(session.review.progress[0], 1)


def _stroke(test, panel) -> None:
    ui, session = panel.ui, panel.review.session
    test.delayDisplay("A stroke, undo and the threshold")
    before = session.review.mask.copy()
    ui.nextButton.click()
    ui.editButton.click()
    test.assertEqual(ui.segmentEditor.currentSegmentID(), "lesion")
    test.assertIs(ui.segmentEditor.segmentationNode(), session.node)
    _paint(session)
    _until(lambda: not np.array_equal(session.review.mask, before))
    painted = session.review.mask.copy()
    test.assertTrue(painted[before].all(), "a stroke only adds")
    test.assertTrue(np.array_equal(_inScene(session), painted))
    ui.undoButton.click()
    test.assertTrue(np.array_equal(_inScene(session), before), "undo takes the stroke back")
    _paint(session)
    _until(lambda: not np.array_equal(session.review.mask, before))
    added = session.review.mask & ~before
    ui.thresholdSlider.value = 0.8
    _until(lambda: session.review.rule.threshold == 0.8)
    test.assertTrue(session.review.mask[added].all(), "the threshold keeps what was painted")


def _paint(session) -> None:
    """A stroke over the middle of the axial view; without a window two voxels that hold no lesion."""
    manager = slicer.app.layoutManager() if slicer.util.mainWindow() is not None else None
    if manager is not None:
        widget = manager.sliceWidget("Red")
        x, y = widget.sliceView().width // 2, widget.sliceView().height // 2
        slicer.util.clickAndDrag(
            widget, button="None", start=(x - 5, y), end=(x, y), steps=2
        )  # makes the brush
        slicer.util.clickAndDrag(widget, start=(x, y), end=(x + 30, y + 20))
        return
    mask = _inScene(session)
    for voxel in np.argwhere(~mask)[:2]:
        mask[tuple(voxel)] = True
    array = np.ascontiguousarray(mask.T, dtype=np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, session.node, "lesion", session.volume)


def _file(test, panel, folder: Path) -> None:
    test.delayDisplay("File the case")
    panel.trainingSet.look()
    _until(lambda: not panel.trainingSet.reading)
    test.assertTrue(panel.ui.addCaseButton.enabled, panel.ui.addCaseButton.toolTip)
    with mock.patch.object(
        slicer.util, "confirmYesNoDisplay", return_value=True
    ):  # nobody is there to answer
        panel.ui.addCaseButton.click()
    _until(lambda: panel.cases.job is None)
    test.assertTrue(list((folder / "cases").rglob("*_mask.nii.gz")), panel.ui.messageLabel.text)


def _train(test, panel, folder: Path, start: str | None) -> None:
    test.delayDisplay("Train for two steps")
    for number in range(50):  # chance decides who is only measured on
        cases = folder / f"cases{number}"
        if panel.logic.addCase(panel.review.session, cases, reviewer="SELFTEST")["split"] == "training":
            break
    settings = ("steps=2", "minutes=0", "batch=1", "patch=32", "validations=1")
    trained = panel.logic.fineTune(
        cases, start=start, tune="last", replay=False, settings=settings, minutes=None, wait=True
    )
    test.assertTrue(trained["gate"]["sentence"])


def _saveAndReload(test, panel, file: Path) -> None:
    test.delayDisplay("Save the scene and load it again")
    session = panel.review.session
    mask, decided = session.review.mask.copy(), [row.decision for row in session.review.rows]
    test.assertTrue(slicer.util.saveScene(str(file)))
    slicer.mrmlScene.Clear()
    test.assertIsNone(panel.review.session)
    slicer.util.loadScene(str(file))
    _until(lambda: panel.review.session is not None)
    again = panel.review.session.review
    test.assertTrue(np.array_equal(again.mask, mask))
    test.assertEqual([row.decision for row in again.rows], decided)


def _inScene(session) -> np.ndarray:
    """The mask that the segments hold: bool (i, j, k)."""
    names = reviewedSegments(session.node, session.record["task"])
    masks = segments.getMasks(session.node, session.volume, names)
    return segments.union(masks, session.review.mask.shape)


def _modelFolder(name: str) -> str | None:
    from MSLesionSegLib.network.models.store import find_model

    return str(find_model(name)) if name else None


def _until(condition) -> None:
    end = time.monotonic() + _LONGEST_S
    while not condition():
        slicer.app.processEvents()
        time.sleep(0.02)
        if time.monotonic() > end:
            raise TimeoutError("The panel did not get there in time.")
