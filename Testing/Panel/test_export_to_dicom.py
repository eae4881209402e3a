"""A review goes back as DICOM into the study that its scan came from."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import panel as harness
import pydicom
import pytest
import scene as scenes
from dicom_database import useDatabase
from MSLesionSegModule.scene import volumes
from MSLesionSegModule.sections import dicomExport
from pressing import choosing, find_lesions, open_result, press
from segmented import segmented

from phantoms.mr_series import write_series


@pytest.fixture(scope="session")
def series(patient, tmp_path_factory) -> Path:
    """The small patient as a DICOM series."""
    return write_series(tmp_path_factory.mktemp("dicom") / "scan", nib.load(patient))


@pytest.fixture(scope="session")
def found_on_series(models_folder, series, tmp_path_factory) -> Path:
    """The result folder that the command line makes of that series."""
    return segmented(series, tmp_path_factory.mktemp("dicom-results") / "result", models_folder)


@pytest.fixture
def result(tmp_path, found_on_series):
    return Path(shutil.copytree(found_on_series, tmp_path / "result"))


def opened(panel, result: Path) -> None:
    with choosing(result / "result.json"):
        panel.ui.openResultButton.click()
    assert panel.review.session is not None, panel.ui.messageLabel.text


def exported(panel) -> None:
    assert panel.ui.dicomButton.enabled, panel.ui.dicomButton.toolTip
    panel.ui.dicomButton.click()
    harness.wait(lambda: panel.dicom.job is None)


def tracked(database) -> dict[str, str]:
    """UIDs of the segments of the segmentation that was imported last, by what the lesions are called."""
    segmentations = [file for file in database.imported if pydicom.dcmread(file).Modality == "SEG"]
    return dict(highdicom.seg.segread(segmentations[-1]).get_tracking_ids())


def test_a_result_on_a_series_opens_with_its_scan(panel, result):
    opened(panel, result)
    assert panel.ui.lesionTable.rowCount == 4
    session = panel.review.session
    mask = nib.load(next(result.glob("*lesion_mask.nii.gz")))
    shown = volumes.ontoNode(np.asarray(mask.dataobj), mask.affine, session.volume)
    assert np.array_equal(shown > 0, session.review.mask)


def test_a_scan_from_the_database_is_known_as_the_one_of_a_result(
    panel, series, result, scan, monkeypatch, tmp_path
):
    database = useDatabase(tmp_path / "database", monkeypatch)
    volume = scenes.loadVolume(scan)
    database.showSeries(series, volume)
    opened(panel, result)
    assert panel.review.session.volume is volume


def test_what_the_review_left_lies_in_the_database(panel, result, monkeypatch, tmp_path):
    database = useDatabase(tmp_path / "database", monkeypatch)
    opened(panel, result)
    press(panel, "N")
    press(panel, "C")
    exported(panel)
    kinds = {pydicom.dcmread(file).Modality: file for file in database.imported}
    assert set(kinds) == {"SEG", "SR", "DOC"}, panel.ui.messageLabel.text
    segments = highdicom.seg.segread(kinds["SEG"])
    assert segments.number_of_segments == 3
    voxels = segments.get_volume(combine_segments=True).array
    assert np.count_nonzero(voxels) == np.count_nonzero(panel.review.session.review.mask)
    assert "database" in panel.ui.messageLabel.text


def test_without_a_database_a_folder_is_asked_for(panel, result, monkeypatch, tmp_path):
    opened(panel, result)
    monkeypatch.setattr(dicomExport, "folderToSave", lambda title: "")
    panel.ui.dicomButton.click()
    assert panel.dicom.job is None
    monkeypatch.setattr(dicomExport, "folderToSave", lambda title: str(tmp_path))
    exported(panel)
    assert (tmp_path / "dicom" / "segmentation.dcm").is_file()
    assert str(tmp_path / "dicom") in panel.ui.messageLabel.text


def test_a_search_on_a_volume_of_the_database_goes_back_into_its_study(
    panel, series, scan, monkeypatch, tmp_path
):
    database = useDatabase(tmp_path / "database", monkeypatch)
    find_lesions(panel, _like_the_series(series, scan))
    database.showSeries(series, panel.review.session.volume)
    panel.dicom.update()
    exported(panel)
    assert len(database.imported) == 3, panel.ui.messageLabel.text
    source = pydicom.dcmread(next(series.iterdir()))
    made = pydicom.dcmread(database.imported[0])
    assert made.StudyInstanceUID == source.StudyInstanceUID
    before = tracked(database)
    press(panel, "N")
    press(panel, "C")
    exported(panel)
    assert len(database.imported) == 6, panel.ui.messageLabel.text
    assert tracked(database).items() < before.items()
    database.isOpen = False
    panel.dicom.update()
    assert not panel.ui.dicomButton.enabled and "no open database" in panel.ui.dicomButton.toolTip


def test_lesions_keep_what_an_earlier_segmentation_in_the_database_calls_them(
    panel, series, result, scan, monkeypatch, tmp_path
):
    database = useDatabase(tmp_path / "database", monkeypatch)
    volume = scenes.loadVolume(_like_the_series(series, scan))
    database.showSeries(series, volume)
    opened(panel, result)
    exported(panel)
    (file,) = [file for file in database.imported if pydicom.dcmread(file).Modality == "SEG"]
    item = pydicom.dcmread(file)
    for segment in item.SegmentSequence:
        segment.TrackingUID = pydicom.uid.generate_uid()
    item.save_as(file)
    before = tracked(database)
    press(panel, "N")
    press(panel, "C")
    exported(panel)
    assert tracked(database).items() < before.items()


def test_what_lies_in_the_database_already_is_not_written_again(panel, result, monkeypatch, tmp_path):
    database = useDatabase(tmp_path / "database", monkeypatch)
    opened(panel, result)
    exported(panel)
    exported(panel)
    assert len(database.imported) == 3
    assert "already" in panel.ui.messageLabel.text
    database.remove(database.imported[0])
    exported(panel)
    assert len(database.imported) == 6


def test_what_runs_can_be_cancelled(panel, result, monkeypatch, tmp_path):
    database = useDatabase(tmp_path / "database", monkeypatch)
    opened(panel, result)
    panel.ui.dicomButton.click()
    assert panel.ui.dicomButton.text == "Cancel"
    panel.ui.dicomButton.click()
    harness.wait(lambda: panel.dicom.job is None)
    assert panel.ui.dicomButton.text == "Export to DICOM" and panel.ui.dicomButton.enabled
    assert not database.imported and "Nothing was written" in panel.ui.messageLabel.text


def test_a_database_that_takes_nothing_is_told(panel, result, monkeypatch, tmp_path):
    database = useDatabase(tmp_path / "database", monkeypatch)
    sys.modules["DICOMLib"].DICOMUtils.importDicom = lambda *arguments: True
    opened(panel, result)
    exported(panel)
    assert not database.imported and "did not take" in panel.ui.messageLabel.text


def test_what_an_archive_does_not_take_is_told_and_stays_in_the_database(
    panel, result, monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config = tmp_path / "MSLesionSeg" / "pacs.ini"
    config.parent.mkdir()
    config.write_text(
        "[here]\naet = HERE\n[hospital]\naet = PACS\nhost = 127.0.0.1\nport = 1\ntimeout_s = 5\n"
    )
    config.chmod(0o600)
    panel.enter()
    database = useDatabase(tmp_path / "database", monkeypatch)
    opened(panel, result)
    panel.ui.archiveComboBox.currentIndex = 1
    exported(panel)
    assert len(database.imported) == 3
    assert "hospital" in panel.ui.messageLabel.text


def test_a_scan_of_another_kind_has_no_study(panel, scan, stored_result, tmp_path):
    open_result(panel, scan, Path(shutil.copytree(stored_result, tmp_path / "plain")))
    assert not panel.ui.dicomButton.enabled
    assert "DICOM" in panel.ui.dicomButton.toolTip


def test_a_result_whose_folder_has_gone_is_not_written(panel, result):
    opened(panel, result)
    shutil.rmtree(result)
    panel.dicom.update()
    assert not panel.ui.dicomButton.enabled
    assert "not there" in panel.ui.dicomButton.toolTip


def _like_the_series(series: Path, scan: Path) -> Path:
    """A file with the axes of the series, as Slicer's DICOM module loads it."""
    from MSLesionSegLib.imaging.dicom import open_dicom

    stored = open_dicom(series)
    nib.save(nib.Nifti1Image(stored.stored, stored.affine), scan)
    return scan
