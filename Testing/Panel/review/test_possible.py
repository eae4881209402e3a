"""Possible lesions stand after the others in the table; a key makes one a lesion, and leaving it drops it."""

from __future__ import annotations

import nibabel as nib
import pytest
import slicer
from MSLesionSegModule.jobs.caseCommands import addArguments
from pressing import decisions, open_result, press, save_and_load

from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import segment


def review_of(panel, scan, tmp_path, minimum_peak):
    request = SegmentRequest(
        "flair", {"flair": scan}, tmp_path / "result", model="bright", device="cpu", minimum_peak=minimum_peak
    )
    segment(request, Silent())
    open_result(panel, scan, tmp_path / "result")
    return panel.review.session


@pytest.fixture
def found(panel, scan, tmp_path):
    """A review of three lesions and a possible one."""
    return review_of(panel, scan, tmp_path, minimum_peak=0.95)


def taken(arguments: list[str]) -> str:
    return arguments[arguments.index("--possible-places") + 1]


def in_mm(session, voxel) -> str:
    return ",".join(f"{mm:.3f}" for mm in nib.affines.apply_affine(session.review.affine, voxel))


def test_it_is_offered_last_and_does_not_count(panel, found):
    assert decisions(panel) == ["open"] * 3 + ["possible"]
    assert "3 lesions" in panel.ui.countLabel.text
    table = panel.ui.lesionTable
    assert table.item(table.rowCount - 1, table.columnCount - 1).text() == "Possible"


def test_it_stays_last_whatever_a_header_sorts_by_and_the_question_does_not_count_it(
    panel, found, monkeypatch, tmp_path
):
    header = panel.ui.lesionTable.horizontalHeader()
    for column in range(panel.ui.lesionTable.columnCount):
        for _ in range(2):  # the largest first, then the smallest
            header.sectionClicked.emit(column)
            shown = [row.decision for row in panel.review.place.rows]
            assert shown == ["open"] * 3 + ["possible"]
    asked = []
    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", lambda text, *_, **__: asked.append(text))
    panel.ui.casesFolderButton.directory = str(tmp_path / "cases")
    panel.ui.addCaseButton.click()
    assert asked[0].startswith("3 of 3 lesions were not reviewed")


def test_without_any_other_the_panel_names_it(panel, scan, tmp_path):
    review_of(panel, scan, tmp_path, minimum_peak=1.0)
    assert set(decisions(panel)) == {"possible"}
    assert panel.ui.reviewedLabel.text.startswith("No lesion is counted. Possible lesions: ")


def test_o_goes_to_it_when_no_other_is_left_and_accepting_it_makes_it_a_lesion(panel, found, tmp_path):
    for _ in range(5):  # in a rhythm, past the end
        press(panel, "A")
    assert decisions(panel) == ["accepted"] * 3 + ["possible"]
    assert panel.ui.reviewedLabel.text == "All 3 reviewed. Possible lesions: 1 (key O). Or add this case."
    press(panel, "O")
    assert panel.review.place.row.decision == "possible"
    before = int(found.review.mask.sum())
    place = panel.review.place.row.voxel
    press(panel, "A")
    assert decisions(panel) == ["accepted"] * 4
    assert int(found.review.mask.sum()) > before
    assert "4 lesions" in panel.ui.countLabel.text
    assert taken(addArguments(found, tmp_path / "set", tmp_path, "", None)) == in_mm(found, place)
    press(panel, "U")
    assert decisions(panel) == ["accepted"] * 3 + ["possible"]


def test_leaving_it_drops_it_and_the_scene_keeps_what_was_decided(panel, found, tmp_path):
    for _ in range(3):
        press(panel, "A")
    assert taken(addArguments(found, tmp_path / "set", tmp_path, "", None)) == ""
    press(panel, "O")
    press(panel, "C")
    assert sorted(decisions(panel)) == ["accepted"] * 3 + ["rejected"]
    save_and_load(tmp_path)
    assert sorted(row.decision for row in panel.review.session.review.rows) == ["accepted"] * 3 + ["rejected"]
