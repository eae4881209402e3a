"""The lesion table as a Structured Report, and the page as an object of the study."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest

from MSLesionSegLib.dicom import export
from MSLesionSegLib.dicom.export import ExportRequest, export_result
from MSLesionSegLib.imaging.checks.intensity_statistics import STATISTICS
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence
from MSLesionSegLib.network.models.confidence import Confidence
from MSLesionSegLib.network.models.store import read_card, write_card
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import segment
from phantoms.mr_series import write_series
from support.dicom_tools import errors_in, run


@pytest.fixture(scope="module")
def written(result, tmp_path_factory):
    output = tmp_path_factory.mktemp("export") / "dicom"
    return export_result(ExportRequest(result.folder, output), Silent())


def measured(group: dict) -> dict[str, float]:
    return {item["quantity"]["CodeMeaning"]: float(item["value"]) for item in group["measurementItems"]}


def test_another_program_reads_volume_axis_and_place_of_each_lesion(result, written, tmp_path):
    report = written.files["structured_report"]
    run("tid1500reader", "--inputDICOM", report, "--outputMetadata", tmp_path / "read.json")
    groups = json.loads((tmp_path / "read.json").read_text())["Measurements"]
    by_name = {group["TrackingIdentifier"]: group for group in groups}
    for lesion in result.lesions:
        told = by_name[f"Lesion {lesion.id}"]
        assert measured(told)["Volume"] == pytest.approx(lesion.volume_mm3, abs=0.01)
        assert measured(told)["Long axis"] == pytest.approx(lesion.longest_axis_mm, abs=0.01)
        assert told["ReferencedSegment"] == 1 + [one.id for one in result.lesions].index(lesion.id)
        assert told["FindingSite"]["CodingSchemeDesignator"] == "SCT"
    totals = measured(by_name["All lesions"])
    assert totals["Volume"] == pytest.approx(result.counts["volume_mm3"], abs=0.1)
    assert len(result.lesions) in totals.values()


def test_it_can_be_printed_and_breaks_no_rule(written):
    text = run("dsrdump", written.files["structured_report"])
    assert "Imaging Measurement Report" in text and "Not reviewed, for research use only" in text
    assert errors_in(written.files["structured_report"]) == []


def test_a_lesion_has_the_same_tracking_uid_in_both_objects(written):
    segments = highdicom.seg.segread(written.files["segmentation"])
    report = highdicom.sr.srread(written.files["structured_report"])
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert {group.tracking_uid for group in groups} == set(segments.get_tracking_ids()[0][1:]) or {
        group.tracking_uid for group in groups
    } == {uid for _identifier, uid in segments.get_tracking_ids()}


def test_the_page_lies_in_the_study_as_pdf(written):
    made = pydicom.dcmread(written.files["encapsulated_pdf"])
    pdf = written.files["pdf"].read_bytes()
    assert pdf.startswith(b"%PDF")
    assert made.EncapsulatedDocument[: made.EncapsulatedDocumentLength] == pdf
    assert errors_in(written.files["encapsulated_pdf"]) == []


def test_a_result_without_lesions_has_a_report_and_no_segmentation(head, models, tmp_path):
    scan = write_series(tmp_path / "scan", head.flair)
    request = SegmentRequest("flair", {"flair": scan}, tmp_path / "out", model="tiny", minimum_mm3=1e6)
    assert not segment(request, Silent()).lesions
    written = export_result(ExportRequest(tmp_path / "out"), Silent())
    assert "segmentation" not in written.files
    assert errors_in(written.files["structured_report"]) == []


def test_numbers_of_a_review_are_measured_anew(result, tmp_path):
    labels = nib.load(result.files["lesions"])
    numbers = np.asarray(labels.dataobj).copy()
    gone = result.lesions[0].id
    numbers[numbers == gone] = 0
    nib.save(nib.Nifti1Image(numbers, labels.affine), tmp_path / "reviewed.nii.gz")
    request = ExportRequest(result.folder, tmp_path / "dicom", reviewed=tmp_path / "reviewed.nii.gz")
    written = export_result(request, Silent())
    assert written.lesions == len(result.lesions) - 1
    text = run("dsrdump", written.files["structured_report"])
    assert f'"Lesion {gone}"' not in text
    assert "Reviewed, for research use only" in text


def test_after_a_review_nothing_is_told_of_the_mask_as_it_was_found(
    head, models_folder, tmp_path, monkeypatch
):
    shutil.copytree(models_folder / "tiny", tmp_path / "models" / "unsure")
    ranges = dict.fromkeys(STATISTICS, (-50.0, 50.0))
    unsure = Confidence(LesionConfidence(-1.0, 0.3, 0.2), (0.0, 1.0), (0.0, 0.1), ranges)
    card = read_card(tmp_path / "models" / "unsure")
    write_card(tmp_path / "models" / "unsure", replace(card, name="unsure", confidence=unsure.as_dict()))
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path / "models"))
    series = write_series(tmp_path / "scan", head.flair)
    result = segment(SegmentRequest("flair", {"flair": series}, tmp_path / "out", model="unsure"), Silent())
    printed, page = [], export._page
    monkeypatch.setattr(export, "_page", lambda *told: printed.append(page(*told)) or printed[-1])
    for reviewed in (None, result.files["lesions"]):
        request = ExportRequest(result.folder, tmp_path / f"dicom-{len(printed)}", reviewed=reviewed)
        export_result(request, Silent())
    for words in ("Do not trust", "Dice with a reader", "100 like it"):
        assert words in printed[0] and words not in printed[1]


def test_the_slices_of_the_page_can_be_had_as_pictures(result, comparison, tmp_path):
    for found in (result, comparison):
        request = ExportRequest(found.folder, tmp_path / found.folder.parent.name, key_images=True)
        files = {role: file for role, file in export_result(request, Silent()).files.items() if "key" in role}
        assert files
        for file in files.values():
            made = pydicom.dcmread(file)
            assert errors_in(file) == []
            assert made.PatientOrientation == ["L", "P"]
            assert made.pixel_array.shape == (made.Rows, made.Columns, 3) and made.pixel_array.std() > 5
            assert "research use only" in made.SeriesDescription
