"""What is tested without pressing buttons: layouts and scenes that come and go, and the module's logic."""

import tempfile
from pathlib import Path

import numpy as np
import slicer

from ..scene import volumes
from ..setup.sampleData import addSyntheticPatient
from ..views.layouts import PAIR

_OTHER_LAYOUTS = (
    slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView,
    slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView,
    slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView,
)


def runStartTest(test, panel) -> None:
    """What needs no packages: layouts, scenes and other modules come and go while nothing is under review.

    Args:
        test: a unittest case.
        panel: the module's widget, entered.
    """
    test.delayDisplay("Layouts and scenes without a review")
    test.assertTrue(panel.logic.coreVersion())
    test.assertTrue(panel.ui.versionLabel.text)
    test.assertIn("BaselineAxial", PAIR.xml)
    changeLayouts()
    slicer.mrmlScene.Clear()
    changeLayouts()
    observed, parameters = len(panel.Observations), panel.parameters.node
    for _round in range(3):
        panel.exit()
        panel.enter()
    test.assertEqual(len(panel.Observations), observed, "observers do not pile up")
    test.assertIs(panel.parameters.node, parameters, "each wrapper would observe the node for good")
    test.assertIsNone(panel.review.session)
    test.assertFalse(panel.ui.segmentButton.enabled)
    test.assertTrue(panel.ui.segmentButton.toolTip, "the button says why")


def runLogicTest(test, logic, volume=None, model: str | None = None) -> None:
    """Go through the module's steps without a panel.

    Args:
        test: a unittest case.
        logic: of the module.
        volume: FLAIR to use; a synthetic patient when None.
        model: model to use; the one in use when None.
    """
    test.delayDisplay("Find lesions")
    volume = volume or addSyntheticPatient()
    session = logic.segment("flair", {"flair": volume}, model=model)
    review = session.review
    test.assertGreater(len(review.rows), 0)

    test.delayDisplay("Review")
    review.accept(1)
    if len(review.rows) > 1:
        review.reject(2)
    session.show()
    again = logic.sessionOf(session.node)
    test.assertTrue(np.array_equal(again.review.mask, review.mask))
    test.assertEqual([row.decision for row in again.review.rows], [row.decision for row in review.rows])

    test.delayDisplay("File the case")
    with tempfile.TemporaryDirectory() as folder:
        case = logic.addCase(session, Path(folder) / "cases", reviewer="SELFTEST")
        test.assertTrue(case["stored"])
        test.assertEqual(case["lesions"], len(review.lesions))
    test.assertEqual(volumes.voxelsOf(volume).shape, review.mask.shape)


def changeLayouts() -> None:
    """Show other layouts one after the other, and the one of before again."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return
    before = manager.layout
    for layout in (*_OTHER_LAYOUTS, PAIR.number, before):
        manager.setLayout(layout)
        slicer.app.processEvents()
