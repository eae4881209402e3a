"""The page of a result after a person's review: its lesions, counts and pictures as they are now."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.dicom.exported import ExportedResult
from MSLesionSegLib.segmentation.manifest import count_lesions
from MSLesionSegLib.segmentation.report.report import write_report
from MSLesionSegLib.segmentation.scan_trust import LOW_EXPECTED_DICE

_NOTE = {
    "code": "reviewed",
    "sentence": "A person has reviewed the lesions. Numbers and pictures are those after the review.",
}


def reviewed_page(result: ExportedResult, brain_file: Path) -> str:
    """The HTML of the page, of the lesions that a person decides upon.

    Args:
        result: whose lesions were reviewed.
        brain_file: mask of the brain on the voxels of its series.
    """
    shown = [each.lesion for each in result.lesions if each.state in result.task.reviewed_states]
    labels = np.where(np.isin(result.labels, [lesion.id for lesion in shown]), result.labels, 0)
    brain = np.asarray(nib.Nifti1Image.from_filename(brain_file).dataobj) > 0
    scan = result.series.scan()
    told = dict(result.manifest)
    told["counts"] = count_lesions(shown, brain, scan.affine)
    # what is to be expected of the mask as it was found says nothing of it after the review
    told.pop("confidence", None)
    told["findings"] = [_NOTE, *(each for each in told["findings"] if each["code"] != LOW_EXPECTED_DICE)]
    # a comparison has found the brain of each scan by itself
    told["settings"] = {"brain_mask": "found automatically", "flips": False} | told["settings"]
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        write_report(page, told, scan, brain, labels, shown)
        return page.read_text(encoding="utf-8")
