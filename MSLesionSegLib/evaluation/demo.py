"""The demo: a synthetic patient with known lesions, segmented and compared; or a scan of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from MSLesionSegLib.evaluation.metrics import CaseMetrics, compare_masks
from MSLesionSegLib.imaging.writing import save_in_folder
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.segmentation import stages
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.result_folder import check_output
from MSLesionSegLib.segmentation.segment import SegmentationResult, segment

TASK = "flair"
LESIONS = 14


@dataclass(frozen=True)
class DemoOutcome:
    """The result, and how it compares with the truth where that is known."""

    result: SegmentationResult
    comparison: CaseMetrics | None


def run_demo(
    flair: Path | None,
    output: Path,
    progress: Progress,
    *,
    model: str | None = None,
    seed: int = 7,
    overwrite: bool = False,
) -> DemoOutcome:
    """Segment ``flair``, or a synthetic patient that is kept beside the result, and compare with the truth.

    The result lies in ``output/result``; the patient in ``output/patient``.
    """
    folder = output / "result"
    if flair is not None:
        return DemoOutcome(_segment(flair, folder, progress, model, overwrite), None)

    from MSLesionSegLib.synthesis.patient import synthetic_patient

    check_output(folder, TASK, overwrite=overwrite)
    progress.stage(stages.SYNTHESIS)
    patient = synthetic_patient(seed, lesions=LESIONS)
    home = output / "patient"
    scan = home / "synthetic_FLAIR.nii.gz"
    save_in_folder(
        home,
        {
            scan.name: (np.asarray(patient.flair.dataobj, np.float32), patient.flair),
            "synthetic_truth.nii.gz": (np.asarray(patient.mask.dataobj, np.uint8), patient.mask),
        },
    )
    result = _segment(scan, folder, progress, model, overwrite)
    found = np.asarray(nib.Nifti1Image.from_filename(result.files["mask"]).dataobj)
    truth = np.asarray(patient.mask.dataobj)
    return DemoOutcome(result, compare_masks(found, truth, tuple(voxel_sizes(patient.flair.affine))))


def _segment(
    flair: Path, folder: Path, progress: Progress, model: str | None, overwrite: bool
) -> SegmentationResult:
    request = SegmentRequest(
        task=TASK, inputs={"flair": flair}, output=folder, model=model, overwrite=overwrite
    )
    return segment(request, progress)
