"""The panel tells of each lesion how often one like it is true, and what speaks against a result."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from pressing import open_result, save_and_load

from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import segment

WARNING = "Do not trust this result."
CONFIDENCE = LesionConfidence(-2.0, 0.5, 0.1)


@pytest.fixture
def result(scan, tmp_path):
    segment(
        SegmentRequest("flair", {"flair": scan}, tmp_path / "result", model="bright", device="cpu"), Silent()
    )
    return tmp_path / "result"


def told(panel) -> tuple[str, list[str]]:
    table = panel.ui.lesionTable
    cells = [table.item(row, 5).text() for row in range(table.rowCount)]
    return table.horizontalHeaderItem(5).text(), cells


def test_a_result_of_a_model_that_was_calibrated_tells_the_share_of_true_lesions(
    panel, scan, result, tmp_path
):
    manifest = json.loads((result / "result.json").read_text())
    manifest["confidence"] = {"expected_dice": 0.3, "lesions": asdict(CONFIDENCE)}
    manifest["findings"].append({"code": "low-expected-dice", "sentence": WARNING})
    (result / "result.json").write_text(json.dumps(manifest))
    open_result(panel, scan, result)
    rows = panel.review.session.review.rows
    shares = sorted(round(100 * row.lesion.true_share) for row in rows)
    header, cells = told(panel)
    assert header == "true" and cells == [f"{share} %" for share in shares]  # least certain first
    assert WARNING in panel.ui.remarksLabel.text
    save_and_load(tmp_path)
    assert told(panel) == (header, cells)


def test_a_result_of_another_model_tells_the_probability(panel, scan, result):
    open_result(panel, scan, result)
    header, cells = told(panel)
    assert header == "p" and all(0 <= float(cell) <= 1 for cell in cells)
