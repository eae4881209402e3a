"""DICOM Segmentations as other programs write them: with highdicom, and with dcmqi's itkimage2segimage."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pydicom
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.sr.codedict import codes

from support.dicom_tools import program

_MAKER = {
    "manufacturer": "Other",
    "manufacturer_model_name": "Other",
    "software_versions": "1",
    "device_serial_number": "1",
}
_CATEGORY = {
    "CodeValue": "49755003",
    "CodingSchemeDesignator": "SCT",
    "CodeMeaning": "Morphologically Altered Structure",
}
_TYPE = {"CodeValue": "52988006", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Lesion"}


def with_highdicom(
    path: Path, series: Path, labels: np.ndarray, kind: str = "BINARY", kinds: dict[int, str] | None = None
) -> Path:
    """Write labels (columns, rows, slices) of a series; fractions of one segment for the kind FRACTIONAL.

    Args:
        kinds: what a segment shows, as highdicom's codes call it, where it is no ``Lesion``.
    """
    planes = labels.transpose(2, 1, 0)
    count = 1 if kind == "FRACTIONAL" else int(labels.max())
    segments = [
        SegmentDescription(
            segment_number=number,
            segment_label=f"Segment {number}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=getattr(codes.SCT, (kinds or {}).get(number, "Lesion")),
            algorithm_type="MANUAL",
        )
        for number in range(1, count + 1)
    ]
    Segmentation(
        source_images=_images(series),
        pixel_array=planes[..., None].astype(np.float32)
        if kind == "FRACTIONAL"
        else planes.astype(np.uint16),
        segmentation_type=kind,
        segment_descriptions=segments,
        series_instance_uid=highdicom.UID(),
        series_number=100,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        **_MAKER,
    ).save_as(path)
    return path


def with_dcmqi(path: Path, series: Path, labels: np.ndarray, affine: np.ndarray) -> Path:
    """Write labels (columns, rows, slices) of a series of single slices, as 3D Slicer's and other tools do."""
    image, about = path.with_suffix(".nii.gz"), path.with_suffix(".json")
    nib.save(nib.Nifti1Image(labels.astype(np.uint8), affine), image)
    segments = [
        {
            "labelID": int(number),
            "SegmentLabel": f"Segment {number}",
            "SegmentAlgorithmType": "MANUAL",
            "SegmentedPropertyCategoryCodeSequence": _CATEGORY,
            "SegmentedPropertyTypeCodeSequence": _TYPE,
        }
        for number in np.unique(labels[labels > 0])
    ]
    texts = {"ContentCreatorName": "Reader", "ContentLabel": "SEGMENTATION", "ContentDescription": "Lesions"}
    numbers = {"SeriesDescription": "Lesions", "SeriesNumber": "300", "InstanceNumber": "1"}
    about.write_text(json.dumps({**texts, **numbers, "segmentAttributes": [segments]}))
    files = ["--inputImageList", image, "--inputDICOMDirectory", series, "--inputMetadata", about]
    command = [program("itkimage2segimage"), *files, "--outputDICOM", path, "--skip"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return path


def _images(series: Path) -> list[pydicom.Dataset]:
    images = [pydicom.dcmread(file) for file in series.iterdir()]
    return sorted(images, key=lambda image: image.get("InstanceNumber", 0))
