"""Checks that a user can run on own scans: what does the comparison find where the truth is known?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from scipy import ndimage

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.grid import to_native_grid, to_network_grid
from MSLesionSegLib.imaging.normalization import tissue_scale
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.lesions.lesion_states import ENLARGED, NEW, VANISHED
from MSLesionSegLib.network.device import choose_device
from MSLesionSegLib.network.models.model_in_use import model_in_use
from MSLesionSegLib.segmentation import stages
from MSLesionSegLib.segmentation.longitudinal.comparison import (
    ChangeSettings,
    LesionChange,
    Timepoint,
    find_change,
    with_lesions,
)
from MSLesionSegLib.segmentation.longitudinal.new_lesions import change_settings
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.synthesis.lesions import PATHOLOGIES, blob
from MSLesionSegLib.synthesis.reacquire import scan_again

if TYPE_CHECKING:
    from MSLesionSegLib.network.models.store import Model

DIAMETERS_MM = (3.0, 4.5, 6.0, 9.0)
PER_DIAMETER = 5
CONTRAST = 2.0
_APART_MM = 14.0
_FROM_EDGE_MM = 5.0


@dataclass(frozen=True)
class SizeResult:
    """Inserted lesions of one mean diameter (mm), and how many were found as new or enlarged."""

    diameter_mm: float
    inserted: int
    found: int


@dataclass(frozen=True)
class SelfCheck:
    """What the checks gave.

    Attributes:
        same_scan: new or enlarged lesions between a scan and itself; 0 is right.
        scanned_again: the same for the scan turned by 3 degrees, with another coil field and fresh noise; 0 is right.
        by_size: inserted lesions found in the scan that was scanned again.
        false: new or enlarged lesions there that nobody inserted.
        new: lesions that are new from the scan to the one with inserted lesions; swapped: how many of those are
            called vanished when the two are swapped.
    """

    same_scan: int
    scanned_again: int
    by_size: tuple[SizeResult, ...]
    false: int
    new: int
    swapped: int


def self_check(
    flair: Path,
    progress: Progress,
    *,
    model: str | None = None,
    flair_model: str | None = None,
    device: str = "auto",
    seed: int = 1,
) -> SelfCheck:
    """Run all checks on one FLAIR.

    Args:
        flair: file or DICOM folder.
        model, flair_model: as in :class:`~MSLesionSegLib.segmentation.request.SegmentRequest`.
        device: ``auto``, ``cpu`` or ``cuda``.
        seed: of places and shapes of the inserted lesions, and of pose and noise.

    Raises:
        MSLesionSegError: the scan or a model cannot be used.
    """
    from MSLesionSegLib.network.brain_extraction import brain_mask
    from MSLesionSegLib.network.models.store import load_model

    progress.stage(stages.READ)
    scan = read_scan(flair, sequence="FLAIR")
    for finding in scan.findings:
        progress.warning(finding.code, finding.sentence)
    progress.stage(stages.MODEL)
    change_model = load_model(model or model_in_use("new"), task="new")
    lesion_model = load_model(flair_model or model_in_use("flair"), task="flair")
    cards = {"model": change_model.card, "flair_model": lesion_model.card}
    settings = change_settings(SegmentRequest("new", {}, Path()), cards, choose_device(device))
    progress.stage(stages.BRAIN)
    brain = brain_mask(scan.image)
    progress.stage(stages.FLAIR_BEFORE)
    before = with_lesions(scan.image, brain, lesion_model, settings)

    def compare(first: Timepoint, second: Timepoint) -> LesionChange:
        return find_change(first, second, change_model, settings)

    progress.stage(stages.SAME)
    same = _count(compare(before, before), NEW, ENLARGED)
    progress.stage(stages.AGAIN)
    unchanged = _again(scan.image, brain, lesion_model, settings, seed)
    again = _count(compare(before, unchanged), NEW, ENLARGED)
    progress.stage(stages.INSERT)
    image, truth, diameters = insert_known(before, np.random.default_rng(seed), CONTRAST)
    after = _again(image, brain, lesion_model, settings, seed)
    forth = compare(before, after)
    by_size, false = score_inserted(forth, truth, diameters)
    progress.stage(stages.SWAP)
    back = compare(after, before)
    new = [number for number, state in forth.tracked.states.items() if state == NEW]
    return SelfCheck(same, again, by_size, false, len(new), _swapped(forth, back, new))


def insert_known(
    point: Timepoint, rng: np.random.Generator, contrast: float
) -> tuple[nib.Nifti1Image, nib.Nifti1Image, dict[int, float]]:
    """Put lesions of known size into normal tissue of a scan.

    Args:
        point: the scan.
        rng: source of chance.
        contrast: brightness of the lesions in standard deviations of the brain.

    Returns:
        The scan on its own grid, the ids of what was put in (int32) on a 1 mm grid, and the diameter of each id.

    Raises:
        ImageError: there is not enough normal tissue.
    """
    volume = to_network_grid(point.flair)
    inside = np.asarray(to_network_grid(_float(point.brain)).dataobj) > 0.5
    data = np.asarray(volume.dataobj)
    mean, deviation = tissue_scale(data[inside])
    z = (data - mean) / deviation
    probability = np.asarray(to_network_grid(point.lesions).dataobj)
    tissue = inside & (z > -0.5) & (z < 1.2) & (probability < 0.1)
    tissue = ndimage.binary_opening(tissue, iterations=2)
    allowed = ndimage.distance_transform_edt(inside) > _FROM_EDGE_MM
    allowed &= ndimage.uniform_filter(tissue.astype(np.float32), 7) > 0.9
    added, ids = np.zeros_like(data), np.zeros(data.shape, np.int32)
    wanted = [d for d in DIAMETERS_MM for _ in range(PER_DIAMETER)]
    diameters: dict[int, float] = {}
    for number, diameter in enumerate(wanted, start=1):
        places = np.flatnonzero(allowed)
        if not places.size:
            raise ImageError("The scan shows too little normal brain tissue to put test lesions into.")
        centre = np.array(np.unravel_index(rng.choice(places), data.shape))
        kind = replace(PATHOLOGIES["ms"], diameter_mm=(diameter, diameter), elongation=1.3)
        soft = blob(kind, rng)
        corner = centre - np.array(soft.shape) // 2
        box = tuple(slice(c, c + n) for c, n in zip(corner, soft.shape, strict=True))
        if min(corner) < 0 or added[box].shape != soft.shape:
            allowed[tuple(centre)] = False
            continue
        added[box] += soft * contrast * deviation
        ids[box][soft > 0.5] = number
        diameters[number] = diameter
        radius = int(_APART_MM)
        near = tuple(slice(max(c - radius, 0), c + radius + 1) for c in centre)
        allowed[near] = False
    native = to_native_grid(nib.Nifti1Image(added, volume.affine), point.flair)
    image = np.asarray(point.flair.dataobj, dtype=np.float32) + np.asarray(native.dataobj)
    return (
        nib.Nifti1Image(image, point.flair.affine),
        nib.Nifti1Image(ids, volume.affine),
        diameters,
    )


def score_inserted(
    change: LesionChange, truth: nib.Nifti1Image, diameters: dict[int, float]
) -> tuple[tuple[SizeResult, ...], int]:
    """Compare what was found with what was inserted, by any overlap on the common grid.

    Args:
        change: from the scan to the one with the inserted lesions.
        truth: ids of the inserted lesions in the space of the baseline.
        diameters: of each id.

    Returns:
        Found lesions by size, and the number of changed lesions that overlap none of the inserted ones.
    """
    from nibabel.processing import resample_from_to

    tracked = change.tracked
    grid = (tracked.labels.shape, change.subtraction.affine)
    ids = np.asarray(resample_from_to(truth, grid, order=0).dataobj)
    came = tracked.after & ~tracked.before
    hit = set(np.unique(ids[came]).tolist())
    sizes = tuple(
        SizeResult(
            diameter,
            sum(d == diameter for d in diameters.values()),
            sum(d == diameter and number in hit for number, d in diameters.items()),
        )
        for diameter in DIAMETERS_MM
    )
    changed = [n for n, state in tracked.states.items() if state in (NEW, ENLARGED)]
    true = set(np.unique(tracked.labels[came & (ids > 0)]).tolist())
    return sizes, sum(number not in true for number in changed)


def _again(
    flair: nib.Nifti1Image, brain: nib.Nifti1Image, model: Model, settings: ChangeSettings, seed: int
) -> Timepoint:
    flair, brain = scan_again(flair, np.random.default_rng(seed), also=(brain,))
    return with_lesions(flair, brain, model, settings)


def _count(change: LesionChange, *states: str) -> int:
    return sum(state in states for state in change.tracked.states.values())


def _swapped(forth: LesionChange, back: LesionChange, new: list[int]) -> int:
    """How many of the new lesions overlap one that the swapped comparison calls vanished."""
    gone = [number for number, state in back.tracked.states.items() if state == VANISHED]
    there = nib.Nifti1Image(np.isin(back.tracked.labels, gone).astype(np.uint8), back.subtraction.affine)
    # the swapped comparison lies in the space of the other scan
    grid = nib.Nifti1Image(forth.subtraction.brain.astype(np.uint8), forth.subtraction.affine)
    moved = np.asarray(forth.registration.apply(there, grid, "nearest").dataobj) > 0
    return len(set(np.unique(forth.tracked.labels[moved]).tolist()) & set(new))


def _float(mask: nib.Nifti1Image) -> nib.Nifti1Image:
    return nib.Nifti1Image(np.asarray(mask.dataobj, np.float32), mask.affine)
