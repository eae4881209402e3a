"""A result knows the DICOM series that it was made on, and tells nothing of them in its manifest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from MSLesionSegLib.imaging.dicom.tracked_segments import Tracking
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.segmentation.dicom_source import SOURCE, read_source, source_of
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import SegmentationResult, segment
from MSLesionSegLib.tasks import get_task
from phantoms.dicom_files import write_dicom
from phantoms.phantom import Head


def found_on(scan: Path, out: Path) -> SegmentationResult:
    return segment(SegmentRequest("flair", {"flair": scan}, out, model="tiny", device="cpu"), Silent())


def test_the_files_of_the_series_are_kept_apart_from_the_manifest(head: Head, models, tmp_path):
    voxels = np.asarray(head.flair.dataobj).astype(np.int16)
    scan = write_dicom(tmp_path / "DOE^JOHN", voxels, head.flair.affine, series="1.2.3.4")
    result = found_on(scan, tmp_path / "out")
    source = read_source(result.folder)
    assert set(source.files["flair"]) == set(scan.iterdir())
    assert source.numbered_since == "1.2.3.4"
    manifest = result.files["manifest"].read_text()
    assert "DOE" not in manifest and "1.2.3.4" not in manifest


def test_a_result_on_other_files_remembers_nothing(head: Head, models, tmp_path):
    result = found_on(head.save(tmp_path), tmp_path / "out")
    assert not (result.folder / SOURCE).exists()
    assert read_source(result.folder).files == {}


def test_what_lesions_were_known_by_is_handed_on_from_comparison_to_comparison(head: Head, tmp_path):
    voxels = np.asarray(head.flair.dataobj).astype(np.int16)
    scan = read_scan(write_dicom(tmp_path / "scan", voxels, head.flair.affine, series="1.2.3.4"))
    known = {"numbered_since": "1.2.3", "tracking": {"4": ["Lesion 4", "2.25.4"]}, "files": {}}
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / SOURCE).write_text(json.dumps(known))
        source = read_source(folder)
        assert source.numbered_since == "1.2.3"
        assert source.tracking == {4: Tracking("Lesion 4", "2.25.4")}
        known = source_of({"baseline": scan, "followup": scan}, get_task("new"), folder)
