"""Looking for everything that can be wrong in a case set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.case_set import all_versions, list_cases, records, repeated
from MSLesionSegLib.cases.record import Case, check_files
from MSLesionSegLib.errors import ImageError, MSLesionSegError
from MSLesionSegLib.imaging.checks.scan_checks import check_sequence
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.network.brain_extraction import SMALLEST_BRAIN_ML, brain_mask, close_sulci
from MSLesionSegLib.network.brain_mask_check import judge_brain
from MSLesionSegLib.tasks import get_task

CHECK = "check cases"
_OUTSIDE_BAD, _OUTSIDE_ODD = 0.5, 0.1
# 15 masks of MS lesions with their scans in three public data sets fill at most 4.5 % of the brain, three gliomas at
# most 14 %
_MOST_OF_BRAIN = 0.2


@dataclass(frozen=True)
class CaseWarning:
    """Something about a set.

    Attributes:
        case: id of the case, or None when it is about no single one.
        code, sentence: what.
        bad: the case cannot be used and is left out of training.
    """

    case: str | None
    code: str
    sentence: str
    bad: bool


def check_cases(folder: Path, progress: Progress | None = None) -> list[CaseWarning]:
    """Look at every case: files, grids, values, changes since it was added, repeated scans, masks outside the brain.

    Raises:
        SettingsError: the folder holds no case set.
    """
    progress = progress or Silent()
    listed = list_cases(folder)
    findings = [CaseWarning(None, f.code, f.sentence, bad=True) for f in listed.findings]
    twice = repeated(listed.cases)
    masks: dict[str, Case] = {}
    for k, case in enumerate(listed.cases):
        progress.stage(CHECK, k / len(listed.cases))
        if case.case_id in twice:
            findings.append(CaseWarning(case.case_id, "repeated", twice[case.case_id], bad=True))
        findings += _check_case(case)
        first = masks.setdefault(case.contents["mask"], case)
        if case.lesions and first is not case:
            text = f"Its mask is the same as that of {first.case_id}. Check that it was drawn on this scan."
            findings.append(CaseWarning(case.case_id, "same-mask", text, bad=False))
    findings += _left_over(folder)
    progress.stage(CHECK, 1.0)
    return findings


def outside_brain(mask: nib.Nifti1Image, brain: nib.Nifti1Image) -> float:
    """Share of a mask's voxels outside a brain mask on the same grid; 0 for an empty mask.

    The brain is closed by 3 mm first: lesions at the cortex reach into open sulci.
    """
    lesions = np.asarray(mask.dataobj) > 0
    if not lesions.any():
        return 0.0
    inside = close_sulci(np.asarray(brain.dataobj) > 0, brain)
    return float(np.count_nonzero(lesions & ~inside) / np.count_nonzero(lesions))


def refuse_impossible(mask: nib.Nifti1Image, brain: nib.Nifti1Image) -> None:
    """Refuse a mask of which most lies outside the brain, as one of another scan does, or that fills too much of it.

    Raises:
        ImageError: more than half of its voxels are outside, or they are as many as a fifth of the brain's.
    """
    share = outside_brain(mask, brain)
    if share > _OUTSIDE_BAD:
        raise ImageError(_outside_sentence(share))
    _refuse_overfull(mask, brain)


def _refuse_overfull(mask: nib.Nifti1Image, brain: nib.Nifti1Image) -> None:
    filled = np.count_nonzero(mask.dataobj) / max(int(np.count_nonzero(brain.dataobj)), 1)
    if filled > _MOST_OF_BRAIN:
        raise ImageError(
            f"The mask marks {filled:.0%} of the brain as lesion, more than disease fills (at most "
            f"{_MOST_OF_BRAIN:.0%} are taken): it is probably a mask of the brain or of its tissues. Give the mask "
            "of the lesions."
        )


def check_lesion_share(mask: nib.Nifti1Image, scan: nib.Nifti1Image) -> None:
    """Find the brain on a scan, if a mask on its grid is large enough to need that, and refuse an impossible mask.

    Raises:
        ImageError: it marks more than a fifth of the brain; or no brain was found.
    """
    volume = np.count_nonzero(mask.dataobj) * abs(np.linalg.det(mask.affine[:3, :3])) / 1000
    if volume > _MOST_OF_BRAIN * SMALLEST_BRAIN_ML:
        _refuse_overfull(mask, brain_mask(scan))


def _outside_sentence(share: float) -> str:
    return (
        f"{share:.0%} of its lesion voxels lie outside the brain. Check that the mask was drawn on this scan."
    )


def _check_case(case: Case) -> Iterator[CaseWarning]:
    try:
        images = check_files(case)
        share = 0.0
        if case.lesions:
            brain = brain_mask(images[case.grid])
            share = outside_brain(images["mask"], brain)
            _refuse_overfull(images["mask"], brain)
            judge_brain(brain)
    except MSLesionSegError as error:
        yield CaseWarning(case.case_id, error.code, str(error), bad=True)
        return
    if share > _OUTSIDE_ODD:
        yield CaseWarning(case.case_id, "outside-brain", _outside_sentence(share), bad=share > _OUTSIDE_BAD)
    for entry in get_task(case.task).inputs:
        if entry.name in images:
            for finding in check_sequence(f"Its {entry.name}", images[entry.name], entry.sequence):
                yield CaseWarning(case.case_id, finding.code, finding.sentence, bad=False)


def _left_over(folder: Path) -> Iterator[CaseWarning]:
    """Files in the patients' folders that belong to no readable case."""
    wanted = set(records(folder))
    for case in all_versions(folder):
        for path in case.files:
            wanted |= {path, folder / layout.record_name(path.relative_to(folder).as_posix())}
    for root in (folder, folder / layout.MANUAL):
        for path in sorted(root.glob("sub-*/**/*")):
            if path.is_file() and path not in wanted:
                name = path.relative_to(folder).as_posix()
                yield CaseWarning(None, "left-over", f"{name} belongs to no case.", bad=False)
