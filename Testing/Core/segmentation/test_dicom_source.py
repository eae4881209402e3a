"""A result knows the DICOM series that it was made on, and tells nothing of them in its manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.segmentation.dicom_source import SOURCE, read_source
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import SegmentationResult, segment
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
