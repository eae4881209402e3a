"""Two visits: lesions that are known again, and where the baseline lies on the follow-up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from MSLesionSegLib.dicom.export import ExportRequest, export_result
from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import segment
from phantoms.followup_phantom import use_stand_ins
from phantoms.mr_series import compare_studies
from support.dicom_tools import errors_in, run


@pytest.fixture(scope="module")
def written(comparison, tmp_path_factory):
    output = tmp_path_factory.mktemp("pair-export") / "dicom"
    return export_result(ExportRequest(comparison.folder, output), Silent())


def tracked(file: Path) -> dict[str, str]:
    """UIDs of segments by what the lesion is called."""
    return dict(highdicom.seg.segread(file).get_tracking_ids())


def test_the_segmentation_lies_in_the_space_of_the_followup(comparison, written):
    found = pydicom.dcmread(written.files["segmentation"])
    assert found.FrameOfReferenceUID == "1.2.3.2.1"
    assert found.StudyInstanceUID == "1.2.3.2"
    labels = np.asarray(nib.load(comparison.files["followup_lesions"]).dataobj)
    segments = {segment.SegmentLabel for segment in found.SegmentSequence}
    states = {row.lesion.id: (row.lesion.region, row.state) for row in comparison.lesions}
    there = {int(number) for number in np.unique(labels) if number}
    assert segments == {f"Lesion {n}, {states[n][0]}, {states[n][1]}" for n in there}


def test_all_states_are_counted_also_what_has_vanished(comparison, written):
    text = run("dsrdump", written.files["structured_report"])
    assert '"Lesions, new"' in text and '"Lesions, vanished"' in text
    assert errors_in(written.files["structured_report"]) == []


def test_a_vanished_lesion_is_listed_by_what_it_was_known_by_with_no_volume(comparison, written, tmp_path):
    run(
        *("tid1500reader", "--inputDICOM", written.files["structured_report"]),
        *("--outputMetadata", tmp_path / "read.json"),
    )
    groups = json.loads((tmp_path / "read.json").read_text())["Measurements"]
    by_name = {group["TrackingIdentifier"]: group for group in groups}
    vanished = [row.lesion.id for row in comparison.lesions if row.state == "vanished"]
    assert vanished
    for number in vanished:
        told = by_name[f"Lesion {number}"]
        assert [float(item["value"]) for item in told["measurementItems"]] == [0.0]
        assert "Vanished" in json.dumps(told) and "ReferencedSegment" not in told
        assert told["TrackingUniqueIdentifier"].startswith("2.25.")


def test_a_point_of_the_baseline_is_taken_to_the_followup_as_registered(comparison, written):
    made = pydicom.dcmread(written.files["registration"])
    assert errors_in(written.files["registration"]) == []
    assert made.FrameOfReferenceUID == "1.2.3.2.1"
    (moved,) = [item for item in made.RegistrationSequence if item.FrameOfReferenceUID == "1.2.3.1.1"]
    step = moved.MatrixRegistrationSequence[0].MatrixSequence[0]
    matrix = np.array(step.FrameOfReferenceTransformationMatrix, float).reshape(4, 4)
    transform = sitk.ReadTransform(str(comparison.files["transform"]))
    for point in ([0.0, 0.0, 0.0], [30.0, -20.0, 15.0]):
        there = np.array(transform.TransformPoint(point))
        assert np.allclose((matrix @ [*point, 1])[:3], there, atol=1e-3)


def test_a_lesion_keeps_its_uid_at_the_next_comparison(
    comparison, written, models_folder, tmp_path, monkeypatch
):
    use_stand_ins(models_folder, tmp_path / "models", monkeypatch)
    following = compare_studies(comparison.folder.parent, "again")
    again = export_result(ExportRequest(following.folder), Silent())
    assert tracked(again.files["segmentation"]) == tracked(written.files["segmentation"])


def test_a_review_decides_on_new_lesions_and_leaves_the_others_as_they_are(comparison, written, tmp_path):
    labels = nib.load(comparison.files["followup_lesions"])
    (new,) = [row.lesion.id for row in comparison.lesions if row.state == "new"]
    nothing = nib.Nifti1Image(np.zeros(labels.shape, np.uint8), labels.affine)
    nib.save(nothing, tmp_path / "reviewed.nii.gz")
    request = ExportRequest(comparison.folder, tmp_path / "dicom", reviewed=tmp_path / "reviewed.nii.gz")
    reviewed = export_result(request, Silent())
    before, after = (tracked(one.files["segmentation"]) for one in (written, reviewed))
    assert after == {name: uid for name, uid in before.items() if name != f"Lesion {new}"}
    text = run("dsrdump", reviewed.files["structured_report"])
    assert '"Lesions, new"' not in text and '"Lesions, vanished"' in text


def test_lesions_of_the_baseline_keep_what_its_own_segmentation_calls_them(
    comparison, models_folder, tmp_path, monkeypatch
):
    use_stand_ins(models_folder, tmp_path / "models", monkeypatch)
    baseline = comparison.folder.with_name("baseline")
    labels = nib.load(comparison.files["baseline_lesions"])
    first = SegmentRequest("flair", {"flair": baseline}, tmp_path / "first", model="tiny")
    segment(first, Silent())
    numbers = np.asarray(labels.dataobj).astype(np.uint8)
    numbers[numbers > 0] += 10  # lesions of the first examination have numbers of their own
    nib.save(nib.Nifti1Image(numbers, labels.affine), tmp_path / "numbers.nii.gz")
    request = ExportRequest(tmp_path / "first", reviewed=tmp_path / "numbers.nii.gz")
    former = export_result(request, Silent()).files["segmentation"]

    request = ExportRequest(comparison.folder, tmp_path / "dicom", former=former)
    followup = tracked(export_result(request, Silent()).files["segmentation"])
    before = tracked(former)
    stable = [row.lesion.id for row in comparison.lesions if row.state == "stable"]
    (new,) = [row.lesion.id for row in comparison.lesions if row.state == "new"]
    assert {f"Lesion {number + 10}" for number in stable} | {f"Lesion {new}"} == set(followup)
    assert all(followup[name] == before[name] for name in followup if name != f"Lesion {new}")
    assert followup[f"Lesion {new}"] not in before.values()

    study = tmp_path / "study"  # what else lies there does no harm
    shutil.copytree(tmp_path / "dicom", study / "own")
    shutil.copytree(former.parent, study / "first")
    request = ExportRequest(comparison.folder, tmp_path / "dicom", former=study)
    assert tracked(export_result(request, Silent()).files["segmentation"]) == followup
    (study / "first" / former.name).unlink()
    request = ExportRequest(comparison.folder, tmp_path / "dicom", former=study / "first")
    assert not set(tracked(export_result(request, Silent()).files["segmentation"]).values()) & set(
        before.values()
    )

    following = compare_studies(comparison.folder.parent, "following", previous=former)
    named = tracked(export_result(ExportRequest(following.folder), Silent()).files["segmentation"])
    ids = {row.lesion.id: row.state for row in following.lesions}
    assert {f"Lesion {number}" for number, state in ids.items() if state != "vanished"} == set(named)
    assert {number + 10 for number in stable} == {n for n, state in ids.items() if state == "stable"}
    assert all(named[f"Lesion {number + 10}"] == before[f"Lesion {number + 10}"] for number in stable)
    (came,) = [uid for name, uid in named.items() if name not in before]
    assert came not in before.values()


def test_a_segmentation_of_other_scans_is_refused(comparison, result, tmp_path):
    other = export_result(ExportRequest(result.folder, tmp_path / "other"), Silent()).files["segmentation"]
    with pytest.raises(ImageError, match="other scans"):
        export_result(ExportRequest(comparison.folder, tmp_path / "dicom", former=other), Silent())
    with pytest.raises(ImageError, match="no DICOM Segmentation"):
        wrong = next(comparison.folder.with_name("baseline").iterdir())
        export_result(ExportRequest(comparison.folder, tmp_path / "dicom", former=wrong), Silent())
