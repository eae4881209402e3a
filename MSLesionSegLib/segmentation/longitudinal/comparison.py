"""From two FLAIRs of one patient to what appeared, what went and the fate of each lesion, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from scipy import ndimage

from MSLesionSegLib.imaging.checks.comparability import ComparabilityCheck, check_pair
from MSLesionSegLib.imaging.grid import to_network_grid
from MSLesionSegLib.imaging.registration import Registration, register
from MSLesionSegLib.imaging.subtraction import Subtraction, subtract
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.lesions.components import LesionRule, find_lesions, peak_probabilities
from MSLesionSegLib.lesions.lesion_states import TrackedLesions, track_lesions
from MSLesionSegLib.network.sliding_window import predict
from MSLesionSegLib.segmentation import stages
from MSLesionSegLib.segmentation.longitudinal.change_filter import (
    ChangeLimits,
    DirectedChange,
    accepted_change,
)
from MSLesionSegLib.segmentation.longitudinal.earlier_ids import EarlierIds
from MSLesionSegLib.segmentation.probability import LesionProbability, lesion_probability

if TYPE_CHECKING:
    from MSLesionSegLib.network.models.store import Model

# Around change the outline of one timepoint says nothing about the other.
_CHANGE_MARGIN_VOXELS = 2


@dataclass(frozen=True)
class Timepoint:
    """One scan: FLAIR (X, Y, Z), brain mask and lesion probability, all on the scan's grid."""

    flair: nib.Nifti1Image
    brain: nib.Nifti1Image
    lesions: nib.Nifti1Image


@dataclass(frozen=True)
class ChangeSettings:
    """What decides the outcome besides the models.

    Attributes:
        rule: what counts as change in the probability of change.
        flair_rule: what counts as a lesion in the probability of lesion.
        limits: what change must show to count.
        registration: preset.
        device, mirroring: see :func:`~MSLesionSegLib.network.sliding_window.predict`.
    """

    rule: LesionRule
    flair_rule: LesionRule
    limits: ChangeLimits = field(default_factory=ChangeLimits)
    registration: str = "rigid"
    device: str = "cpu"
    mirroring: bool = False


@dataclass(frozen=True, eq=False)
class LesionChange:
    """What was found, on the grid of ``subtraction`` (1 mm, RAS, the baseline's space).

    Attributes:
        registration: of the follow-up to the baseline.
        subtraction: both scans and their difference.
        appeared, gone: probability that a voxel is lesion only at follow-up, only at baseline; float32.
        lesions_before, lesions_after: probability of lesion at both timepoints by the FLAIR model.
        tracked: lesions and their states.
        checks: comparability.
    """

    registration: Registration
    subtraction: Subtraction
    appeared: np.ndarray
    gone: np.ndarray
    lesions_before: np.ndarray
    lesions_after: np.ndarray
    tracked: TrackedLesions
    checks: tuple[ComparabilityCheck, ...]


def lesions_of(
    flair: nib.Nifti1Image,
    brain: nib.Nifti1Image,
    model: Model,
    settings: ChangeSettings,
    progress: Progress | None = None,
) -> LesionProbability:
    """What the FLAIR model finds on a scan by itself, in its brain mask."""
    return lesion_probability(
        model, [flair], brain, device=settings.device, mirroring=settings.mirroring, progress=progress
    )


def with_lesions(
    flair: nib.Nifti1Image, brain: nib.Nifti1Image, model: Model, settings: ChangeSettings
) -> Timepoint:
    """A scan with its brain mask and its lesion probability by the FLAIR model."""
    found = lesions_of(flair, brain, model, settings)
    return Timepoint(flair, brain, nib.Nifti1Image(found.probability, flair.affine))


def find_change(
    baseline: Timepoint,
    followup: Timepoint,
    model: Model,
    settings: ChangeSettings,
    *,
    previous: EarlierIds | None = None,
    progress: Progress | None = None,
) -> LesionChange:
    """Compare two scans of one patient.

    Args:
        baseline, followup: the two scans.
        model: of the task ``new``; its card's channels say what it sees.
        settings: registration and rules.
        previous: lesion ids of the baseline from an earlier comparison.
        progress: told the stages ``REGISTER``, ``PREPARE``, ``CHANGE`` and ``TRACK``.

    Raises:
        ImageError: the scans cannot be registered or hardly overlap.
    """
    progress = progress or Silent()
    progress.stage(stages.REGISTER)
    registration = register(
        followup.flair,
        baseline.flair,
        preset=settings.registration,
        moving_mask=followup.brain,
        fixed_mask=baseline.brain,
    )
    progress.stage(stages.PREPARE)
    lesions = nib.Nifti1Image(
        (np.asarray(baseline.lesions.dataobj) >= settings.flair_rule.threshold).astype(np.uint8),
        baseline.flair.affine,
    )
    pair = subtract(
        baseline.flair,
        followup.flair,
        baseline.brain,
        followup.brain,
        registration,
        lesions,
        spacing=model.card.spacing_mm,
    )
    grid = nib.Nifti1Image(pair.brain.astype(np.uint8), pair.affine)
    before = np.asarray(to_network_grid(baseline.lesions, model.card.spacing_mm).dataobj) * pair.brain
    after = np.asarray(registration.apply(followup.lesions, grid).dataobj) * pair.brain

    progress.stage(stages.CHANGE)
    appeared, gone = (
        predict(
            model,
            channels_of(model.card.channels, first, second),
            pair.brain,
            device=settings.device,
            mirroring=settings.mirroring,
        ).probability
        for first, second in ((pair.baseline, pair.followup), (pair.followup, pair.baseline))
    )
    progress.stage(stages.TRACK)
    tracked = judge_change(appeared, gone, before, after, pair, settings, previous)
    checks = check_pair(baseline.flair, followup.flair, registration, pair)
    return LesionChange(registration, pair, appeared, gone, before, after, tracked, checks)


def channels_of(names: tuple[str, ...], baseline: np.ndarray, followup: np.ndarray) -> np.ndarray:
    """The network's input (C, X, Y, Z) by the names on its card: ``subtraction``, ``baseline``, ``follow-up``."""
    known = {"subtraction": followup - baseline, "baseline": baseline, "follow-up": followup}
    return np.stack([known[name] for name in names])


def judge_change(
    appeared: np.ndarray,
    gone: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    pair: Subtraction,
    settings: ChangeSettings,
    previous: EarlierIds | None = None,
) -> TrackedLesions:
    """From probabilities of change and of lesion to lesions with states.

    Args:
        appeared, gone: probability of change in both directions; before, after: of lesion; all (X, Y, Z).
        pair: the scans on the same grid.
        settings: rules.
        previous: ids of an earlier comparison.
    """
    sizes = voxel_sizes(pair.affine)
    voxel_mm3 = float(np.prod(sizes))
    depth = ndimage.distance_transform_edt(pair.brain, sampling=sizes)
    (came, still_there), (went, there_before) = (
        accepted_change(
            DirectedChange(*find_lesions(probability, settings.rule, voxel_mm3), *lesion, there, absent),
            depth,
            voxel_mm3,
            pair.slice_mm,
            settings.limits,
        )
        for probability, lesion, there, absent in (
            (appeared, (after, before), pair.followup, pair.baseline),
            (gone, (before, after), pair.baseline, pair.followup),
        )
    )
    changed = ndimage.binary_dilation(came | went, iterations=_CHANGE_MARGIN_VOXELS)
    seen_twice = (still_there | there_before) & ~changed
    both = np.where(changed, np.minimum(before, after), (before + after) / 2)
    both = np.where(seen_twice, np.maximum(before, after), both)
    labels, count = find_lesions(both, replace(settings.flair_rule, minimum_peak=0.0), voxel_mm3)
    there = peak_probabilities(labels, count, both) >= settings.flair_rule.minimum_peak
    # what grew, shrank or is seen twice was there, whatever its peak
    there[labels[changed | seen_twice]] = True
    there[0] = False
    return track_lesions(
        there[labels],
        came,
        went & ~came,
        voxel_mm3=voxel_mm3,
        minimum_mm3=settings.rule.minimum_mm3,
        previous=None if previous is None else previous.on(pair.brain.shape, pair.affine),
        highest_id=previous.highest if previous else 0,
    )
