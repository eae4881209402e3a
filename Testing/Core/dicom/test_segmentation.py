"""The lesions as a DICOM Segmentation: voxel for voxel what was found, also for programs of others."""

from __future__ import annotations

import json
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest

from MSLesionSegLib.dicom.export import Exported, ExportRequest, export_result
from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import SegmentationResult, segment
from phantoms.mr_series import write_series
from phantoms.phantom import Head, centred, make_head
from support.dicom_tools import errors_in, placed, segments_as_read

TILT = nib.eulerangles.euler2mat(0.25, -0.15, 0.1)
SAGITTAL = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
# spacing, axes, shape, whether all slices lie in one file
SERIES = {
    "classic axial": ((3.0, 3.0, 3.0), np.diag([-1, -1, 1]), (40, 46, 38), False),
    "enhanced axial": ((3.0, 3.0, 3.0), np.diag([-1, -1, 1]), (40, 46, 38), True),
    "oblique": ((3.0, 3.0, 3.0), TILT @ np.diag([-1, -1, 1]), (44, 48, 42), False),
    "enhanced sagittal": ((3.0, 3.0, 3.0), SAGITTAL, (46, 38, 40), True),
    "thick oblique slices": ((1.5, 1.5, 6.0), TILT @ np.diag([-1, -1, 1]), (88, 96, 21), False),
}


def write(result: SegmentationResult, folder: Path, **wanted) -> Exported:
    return export_result(ExportRequest(result.folder, folder / "dicom", **wanted), Silent())


def labels_of(result: SegmentationResult, role: str = "lesions") -> nib.Nifti1Image:
    return nib.load(result.files[role])


def as_numbers(file: Path, folder: Path, like: nib.Nifti1Image) -> np.ndarray:
    """Segments as another program reads them, by the numbers of the lesions that they name."""
    image, segments = segments_as_read(file, folder)
    number = np.zeros(1 + max(segment["labelID"] for segment in segments), int)
    for told in segments:
        number[told["labelID"]] = int(told["SegmentLabel"].split(",")[0].removeprefix("Lesion "))
    return number[placed(image, like.shape, like.affine)]


@pytest.mark.parametrize("series", SERIES)
def test_another_program_reads_voxel_for_voxel_what_was_found(series, tmp_path, models):
    spacing, axes, shape, enhanced = SERIES[series]
    head = make_head(centred(spacing, axes, shape), shape)
    scan = write_series(tmp_path / "scan", head.flair, enhanced=enhanced)
    result = segment(SegmentRequest("flair", {"flair": scan}, tmp_path / "out", model="tiny"), Silent())
    written = write(result, tmp_path, probability=True)
    found = labels_of(result)
    assert np.asarray(found.dataobj).any()
    read = as_numbers(written.files["segmentation"], tmp_path / "read", found)
    assert np.array_equal(read, np.asarray(found.dataobj))
    for role, file in written.files.items():
        assert role == "pdf" or errors_in(file) == []


def test_each_segment_tells_what_lesion_it_is_and_what_found_it(result, tmp_path):
    written = write(result, tmp_path)
    found = highdicom.seg.segread(written.files["segmentation"])
    assert found.number_of_segments == len(result.lesions)
    for lesion, number in zip(result.lesions, found.segment_numbers, strict=True):
        told = found.get_segment_description(number)
        assert told.segment_label == f"Lesion {lesion.id}, {lesion.region}, lesion"
        assert told.segmented_property_type.value == "52988006"
        assert told.tracking_id == f"Lesion {lesion.id}"
        (algorithm,) = told.algorithm_identification
        assert algorithm.AlgorithmName == "MSLesionSeg tiny"
        weights = json.loads(result.files["manifest"].read_text())["model"]["weights_sha256"]
        assert weights in str(algorithm.AlgorithmParameters)
    assert "research use only" in found.SeriesDescription


def test_patient_study_and_place_are_those_of_the_scan(result, tmp_path):
    written = write(result, tmp_path)
    source = pydicom.dcmread(next(result.folder.with_name("scan").iterdir()))
    times = set()
    for role in ("segmentation", "structured_report", "encapsulated_pdf"):
        made = pydicom.dcmread(written.files[role])
        times.add((made.SeriesDate, made.SeriesTime))
        for keyword in (
            "PatientName",
            "PatientID",
            "PatientBirthDate",
            "StudyInstanceUID",
            "AccessionNumber",
        ):
            assert made[keyword].value == source[keyword].value
        assert made.SeriesInstanceUID != source.SeriesInstanceUID
        assert made.SoftwareVersions
    assert len(times) == 1 and all(*times)  # of the export
    found = pydicom.dcmread(written.files["segmentation"])
    assert found.FrameOfReferenceUID == source.FrameOfReferenceUID


def test_what_a_header_lacks_stays_empty(head: Head, models, tmp_path):
    scan = write_series(tmp_path / "scan", head.flair)
    for file in scan.iterdir():
        item = pydicom.dcmread(file)
        del item.PatientBirthDate, item.AccessionNumber, item.StudyTime, item.ReferringPhysicianName
        item.save_as(file)
    result = segment(SegmentRequest("flair", {"flair": scan}, tmp_path / "out", model="tiny"), Silent())
    made = pydicom.dcmread(write(result, tmp_path).files["segmentation"])
    assert not made.PatientBirthDate and not made.AccessionNumber and not made.StudyTime


def test_the_probability_is_written_as_fractions(result, tmp_path):
    written = write(result, tmp_path, probability=True)
    found = highdicom.seg.segread(written.files["probability"])
    probability = np.asarray(labels_of(result, "probability").dataobj)
    volume = found.get_volume(combine_segments=False).array[..., 0]
    assert volume.max() == pytest.approx(probability.max(), abs=1 / 255)


def test_a_series_that_was_moved_is_found_again_by_its_bytes(head: Head, models, tmp_path):
    scan = write_series(tmp_path / "scan", head.flair)
    result = segment(SegmentRequest("flair", {"flair": scan}, tmp_path / "out", model="tiny"), Silent())
    moved = tmp_path / "archive" / "study"
    moved.mkdir(parents=True)
    scan.rename(moved / "series")
    write_series(moved / "other", head.flair, description="another one")
    with pytest.raises(SettingsError, match="--source flair=FOLDER"):
        write(result, tmp_path)
    written = write(result, tmp_path, sources={"flair": moved})
    assert written.lesions == len(result.lesions)
    with pytest.raises(ImageError, match="does not hold the series"):
        write(result, tmp_path, sources={"flair": moved / "other"})


def test_a_result_on_a_converted_file_is_written_onto_its_series(head: Head, models, tmp_path):
    scan = write_series(tmp_path / "scan", head.flair)
    request = SegmentRequest("flair", {"flair": head.save(tmp_path)}, tmp_path / "out", model="tiny")
    result = segment(request, Silent())
    written = write(result, tmp_path, sources={"flair": scan})
    found = labels_of(result)
    assert np.array_equal(as_numbers(written.files["segmentation"], tmp_path / "read", found), found.dataobj)


def test_labels_that_lie_elsewhere_are_refused(result, head, tmp_path):
    shifted = head.flair.affine.copy()
    shifted[0, 3] += 5
    elsewhere = nib.Nifti1Image(np.asarray(labels_of(result).dataobj), shifted)
    nib.save(elsewhere, tmp_path / "reviewed.nii.gz")
    with pytest.raises(ImageError, match="5 mm away"):
        write(result, tmp_path, reviewed=tmp_path / "reviewed.nii.gz")
