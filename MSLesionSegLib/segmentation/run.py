"""What the two ways of looking for lesions, on one session and between two visits, are given and give back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.imaging.checks.comparability import ComparabilityCheck
from MSLesionSegLib.imaging.reading import InputWarning, Scan
from MSLesionSegLib.lesions.regions import RegionMap, fit_atlas
from MSLesionSegLib.segmentation import stages
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.tasks import Task

if TYPE_CHECKING:
    from MSLesionSegLib.network.models.store import Model


@dataclass(frozen=True, eq=False)
class Run:
    """A request whose scans are read and whose models are loaded.

    Attributes:
        request, task: what is asked for, and its row of the task table.
        scans: by input name.
        models: by what the request calls them.
        settings: everything that decides the numbers, as in the manifest.
        watch: told the stages and what is to be remarked.
    """

    request: SegmentRequest
    task: Task
    scans: Mapping[str, Scan]
    models: Mapping[str, Model]
    settings: Mapping[str, Any]
    watch: stages.StageWatch


@dataclass(frozen=True, eq=False)
class FoundLesions:
    """What was found, ready to be written.

    Attributes:
        lesions: rows of the lesion table.
        counts: as in the manifest; None when they are withheld.
        names: file names in the result folder by role.
        writers: what writes each file but page and manifest, by role; called one after the other.
        write_page: writes the page from the manifest.
        remarks: findings that belong to no single scan.
        facts: what the manifest tells besides.
        checks: comparability of two visits.
    """

    lesions: Sequence[Any]
    counts: dict[str, Any] | None
    names: Mapping[str, str]
    writers: Mapping[str, Callable[[Path], object]]
    write_page: Callable[[Path, Mapping[str, Any]], None]
    remarks: tuple[InputWarning, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    checks: tuple[ComparabilityCheck, ...] = ()


def fit_regions(scan: np.ndarray, brain: np.ndarray, affine: np.ndarray) -> RegionMap:
    """Anatomical regions of a scan (X, Y, Z) on the network's grid."""
    return fit_atlas(nib.Nifti1Image(scan, affine), nib.Nifti1Image(brain.astype(np.uint8), affine))


def remark_on(regions: RegionMap, watch: stages.StageWatch) -> tuple[InputWarning, ...]:
    """Tell what is to be said about the regions, and return it."""
    remarks = (InputWarning("regions-undetermined", regions.problem),) if regions.problem else ()
    watch.tell(remarks)
    return remarks


def smallest_type(labels: np.ndarray) -> np.ndarray:
    """Lesion ids as uint8, or as int32 where there are more than it holds."""
    return labels.astype(np.uint8 if labels.max(initial=0) < 256 else np.int32)
