"""A patient's series with all that the standard asks of one, so that what is derived from it can be checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom.dataset import Dataset

from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import SegmentationResult, segment
from phantoms.dicom_files import write_dicom, write_frames
from phantoms.followup_phantom import GONE_AT, NEW_AT, scan

PATIENT = "Doe^Jane"


def write_series(
    folder: Path,
    scan: nib.Nifti1Image,
    *,
    enhanced: bool = False,
    date: str = "20240105",
    series: str = "",
    study: str = "1.2.826.0.1.3680043.10.1",
    frame_of_reference: str = "1.2.826.0.1.3680043.10.2",
    description: str = "FLAIR",
) -> Path:
    """Write a scan of whole numbers as a DICOM series of a study of Jane Doe."""

    def describe(item: Dataset, _index: int = 0) -> None:
        item.PatientName, item.PatientID = PATIENT, "MRN-0815"
        item.PatientBirthDate, item.PatientSex = "19800102", "F"
        item.StudyInstanceUID, item.FrameOfReferenceUID = study, frame_of_reference
        item.StudyDate = item.SeriesDate = item.AcquisitionDate = item.ContentDate = date
        item.StudyTime = item.SeriesTime = item.AcquisitionTime = item.ContentTime = "101500"
        item.StudyID, item.AccessionNumber, item.ReferringPhysicianName = "7", "A-42", "House^Gregory"
        item.StudyDescription, item.SeriesDescription, item.SeriesNumber = "MR head", description, 3
        item.Manufacturer, item.PositionReferenceIndicator = "Siemens", ""
        item.ScanningSequence, item.SequenceVariant, item.ScanOptions = "IR", "SK", ""
        item.MRAcquisitionType, item.EchoTrainLength = "3D", 1
        item.RepetitionTime, item.EchoTime, item.InversionTime = "9000", "120", "2500"
        item.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        item.PatientPosition = "HFS"

    voxels = np.asarray(scan.dataobj)
    write: Callable[..., Path] = write_frames if enhanced else write_dicom
    return write(folder, np.rint(voxels).astype(np.int16), scan.affine, series=series, edit=describe)


def compare_studies(folder: Path, name: str = "out", **settings: object) -> SegmentationResult:
    """Compare two studies of the phantom, of which the first is classic and the second enhanced."""
    studies = {
        "baseline": (scan("baseline", GONE_AT), {"study": "1.2.3.1", "date": "20230105"}),
        "followup": (scan("followup", NEW_AT), {"study": "1.2.3.2", "enhanced": True}),
    }
    inputs = {}
    for place, (visit, told) in studies.items():
        inputs[place] = folder / place
        if not inputs[place].exists():
            frame = f"{told['study']}.1"
            write_series(inputs[place], visit.flair, series=f"{frame}.1", frame_of_reference=frame, **told)
    models = {"model": "tiny-new", "flair_model": "tiny", "device": "cpu"}
    return segment(SegmentRequest("new", inputs, folder / name, **models, **settings), Silent())
