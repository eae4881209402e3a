"""Results made on DICOM series, and what is written of them."""

from __future__ import annotations

import pytest

from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import SegmentationResult, segment
from phantoms.followup_phantom import use_stand_ins
from phantoms.mr_series import compare_studies, write_series


@pytest.fixture(scope="session")
def result(tmp_path_factory, head, models_folder) -> SegmentationResult:
    """Lesions on one FLAIR that came as a DICOM series."""
    folder = tmp_path_factory.mktemp("dicom-result")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSLESIONSEG_MODELS", str(models_folder))
        series = write_series(folder / "scan", head.flair)
        return segment(SegmentRequest("flair", {"flair": series}, folder / "out", model="tiny"), Silent())


@pytest.fixture(scope="session")
def comparison(tmp_path_factory, models_folder) -> SegmentationResult:
    """What changed between two studies."""
    folder = tmp_path_factory.mktemp("dicom-pair")
    with pytest.MonkeyPatch.context() as patch:
        use_stand_ins(models_folder, folder / "models", patch)
        return compare_studies(folder)
