"""What was written as a DICOM Segmentation comes back as the mask that it was."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.dicom.export import ExportRequest, export_result
from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks.lesion_mask import read_lesion_mask
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.segmentation.dicom_source import read_source


def scan_of(result, name: str) -> nib.Nifti1Image:
    return read_scan(read_source(result.folder).files[name][0].parent).image


def test_the_lesions_of_a_result_are_its_mask(result, tmp_path):
    export_result(ExportRequest(result.folder, tmp_path / "dicom"), Silent())
    for given in (tmp_path / "dicom/segmentation.dcm", tmp_path / "dicom"):
        mask = read_lesion_mask(given, scan_of(result, "flair"))
        np.testing.assert_array_equal(mask.dataobj, nib.load(result.files["mask"]).dataobj)


def test_which_lesions_of_a_comparison_are_meant_is_asked(comparison, tmp_path):
    export_result(ExportRequest(comparison.folder, tmp_path / "dicom"), Silent())
    written, scan = tmp_path / "dicom/segmentation.dcm", scan_of(comparison, "followup")
    with pytest.raises(ImageError, match="Say which is the lesion"):
        read_lesion_mask(written, scan)
    lesions = np.asarray(nib.load(comparison.files["followup_lesions"]).dataobj)
    mask = read_lesion_mask(written, scan, "all")
    np.testing.assert_array_equal(mask.dataobj, lesions > 0)
