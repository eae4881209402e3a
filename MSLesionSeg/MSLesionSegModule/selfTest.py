"""The module's story on a synthetic patient, inside Slicer: find, review, export, file."""

import tempfile
from pathlib import Path

import numpy as np

from . import volumes
from .sampleData import addSyntheticPatient


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
