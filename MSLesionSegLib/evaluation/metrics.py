"""How well a lesion mask agrees with a reference mask, voxel by voxel, lesion by lesion and at the surface.

Two presets say what counts as a lesion and when it counts as found:

``any-overlap``
    Lesions are 26-connected components of any size. A reference lesion is detected if at least one of its
    voxels is predicted; a predicted lesion is true if at least one of its voxels lies in the reference.
``msseg``
    The rule of the MSSEG-1 and MSSEG-2 challenges (animaSegPerfAnalyzer; Commowick et al., Sci Rep
    2018;8:13650). Lesions are 6-connected components of strictly more than 3 mm3; smaller ones count as
    background. A reference lesion is detected if more than 10 % (alpha) of it is covered by predicted lesions
    and if, going through the predicted lesions that overlap it by decreasing overlap until they explain 65 %
    (gamma) of the covered part, none has more than 70 % (beta) of its own volume outside all reference
    lesions. Whether a predicted lesion is true is the same test with the roles exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MSLesionSegLib.lesions.components import bounding_box, label_components


@dataclass(frozen=True)
class MatchRule:
    """What counts as a lesion and as a match; alpha, beta and gamma as in the module's docstring."""

    name: str
    definition: str
    connectivity: int
    larger_than_mm3: float
    alpha: float
    beta: float
    gamma: float
    ppv_without_prediction: float | None


MATCH_RULES: dict[str, MatchRule] = {
    "any-overlap": MatchRule(
        name="any-overlap",
        definition="26-connected lesions of any size; found if one voxel overlaps",
        connectivity=26,
        larger_than_mm3=0.0,
        alpha=0.0,
        beta=1.0,
        gamma=0.0,
        ppv_without_prediction=None,
    ),
    "msseg": MatchRule(
        name="msseg",
        definition=(
            "6-connected lesions of more than 3 mm3; found if more than 10 % is covered and the lesions that "
            "explain 65 % of the covered part lie not more than 70 % outside (MSSEG challenge rule)"
        ),
        connectivity=6,
        larger_than_mm3=3.0,
        alpha=0.10,
        beta=0.70,
        gamma=0.65,
        ppv_without_prediction=0.0,
    ),
}


@dataclass(frozen=True)
class CaseMetrics:
    """Agreement of one predicted mask with its reference. None means: not defined for this case.

    Voxel-wise over all voxels, whatever the preset's minimum size:
        dice: 2 |P and R| / (|P| + |R|), 0 to 1; None if the reference is empty.
        reference_volume_mm3, predicted_volume_mm3, volume_difference_mm3 (predicted minus reference),
        relative_volume_difference (difference / reference volume; None if the reference is empty).
        hd95_mm: larger one of the two directed 95th percentiles of surface distances; None if a mask is
        empty.
        assd_mm: mean over the surface voxels of both masks of the distance to the other surface; None
        likewise. Surface voxels are those with at least one of six neighbours outside; distances run between
        voxel centres.
    Lesion-wise by the preset:
        reference_lesions, predicted_lesions: lesions that the preset counts.
        true_positives: detected reference lesions; false_negatives: the other reference lesions;
        false_positives: predicted lesions that are not true.
        sensitivity: true_positives / reference_lesions.
        ppv: true predicted lesions / predicted_lesions; None if nothing is predicted (0 in ``msseg``, as
        there).
        f1: harmonic mean of sensitivity and ppv; 0 if no reference lesion is detected.
        sensitivity, ppv and f1 are None if there is no reference lesion: such cases are judged by
        false_positives and predicted volume alone.
    """

    dice: float | None
    sensitivity: float | None
    ppv: float | None
    f1: float | None
    true_positives: int
    false_negatives: int
    false_positives: int
    reference_lesions: int
    predicted_lesions: int
    reference_volume_mm3: float
    predicted_volume_mm3: float
    volume_difference_mm3: float
    relative_volume_difference: float | None
    hd95_mm: float | None
    assd_mm: float | None
    preset: str


@dataclass(frozen=True, eq=False)
class JudgedLesions:
    """The lesions of a prediction and its reference, each from the largest to the smallest.

    Attributes:
        reference_sizes, predicted_sizes: voxels of each, int (lesions,).
        detected: which lesions of the reference were found, bool.
        true: which predicted lesions are lesions of the reference, bool.
        predicted_labels: int32 (X, Y, Z), the predicted lesions numbered from 1 in this order.
    """

    reference_sizes: np.ndarray
    detected: np.ndarray
    predicted_sizes: np.ndarray
    true: np.ndarray
    predicted_labels: np.ndarray


def compare_masks(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing: Sequence[float],
    preset: str = "any-overlap",
) -> CaseMetrics:
    """Compare two masks on the same grid.

    ``prediction``, ``reference``: (X, Y, Z), non-zero inside a lesion. ``spacing``: voxel size in mm along
    each axis. ``preset``: a key of :data:`MATCH_RULES`. Raises ValueError for different shapes or an unknown
    preset.

    >>> reference = np.zeros((9, 3, 3))
    >>> prediction = reference.copy()
    >>> reference[:2] = prediction[1:3] = prediction[5] = 1
    >>> agreement = compare_masks(prediction, reference, spacing=(1, 1, 1))
    >>> agreement.dice, agreement.sensitivity, agreement.false_positives  # Dice 2 * 9 / (18 + 27)
    (0.4, 1.0, 1)
    """
    return compare_lesions(prediction, reference, spacing, preset)[0]


def compare_lesions(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing: Sequence[float],
    preset: str = "any-overlap",
) -> tuple[CaseMetrics, JudgedLesions]:
    """As :func:`compare_masks`, and the lesions that were counted; their labels are cut to what both masks fill."""
    if preset not in MATCH_RULES:
        raise ValueError(f"preset must be one of {sorted(MATCH_RULES)}, not {preset!r}")
    prediction = np.asarray(prediction) != 0
    reference = np.asarray(reference) != 0
    if prediction.shape != reference.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, reference has shape {reference.shape}")
    spacing = tuple(float(size) for size in spacing)
    voxel_mm3 = math.prod(spacing)
    box = bounding_box(prediction | reference)
    if box is not None:
        prediction, reference = prediction[box], reference[box]

    predicted_voxels, reference_voxels = int(prediction.sum()), int(reference.sum())
    shared = int((prediction & reference).sum())
    difference = (predicted_voxels - reference_voxels) * voxel_mm3
    hd95, assd = surface_distances(prediction, reference, spacing)
    rule = MATCH_RULES[preset]
    judged = judge_lesions(prediction, reference, voxel_mm3, rule)
    metrics = CaseMetrics(
        dice=2.0 * shared / (predicted_voxels + reference_voxels) if reference_voxels else None,
        reference_volume_mm3=reference_voxels * voxel_mm3,
        predicted_volume_mm3=predicted_voxels * voxel_mm3,
        volume_difference_mm3=difference,
        relative_volume_difference=difference / (reference_voxels * voxel_mm3) if reference_voxels else None,
        hd95_mm=hd95,
        assd_mm=assd,
        preset=preset,
        **_count_lesions(judged, rule),
    )
    return metrics, judged


def surface_distances(
    prediction: np.ndarray, reference: np.ndarray, spacing: Sequence[float]
) -> tuple[float | None, float | None]:
    """Return ``(hd95, assd)`` in mm of the surfaces of two bool masks (X, Y, Z); None if one is empty."""
    from scipy.spatial import cKDTree

    points_p = _surface_points(prediction, spacing)
    points_r = _surface_points(reference, spacing)
    if len(points_p) == 0 or len(points_r) == 0:
        return None, None
    # Nearest neighbours among surface points give the same numbers as distance transforms, and lesions have
    # so few surface voxels that the search costs milliseconds where a transform of the whole brain costs
    # seconds.
    to_reference = cKDTree(points_r).query(points_p)[0]
    to_prediction = cKDTree(points_p).query(points_r)[0]
    hd95 = max(np.percentile(to_reference, 95), np.percentile(to_prediction, 95))
    assd = np.concatenate([to_reference, to_prediction]).mean()
    return float(hd95), float(assd)


def match_lesions(
    overlap: np.ndarray,
    sizes: np.ndarray,
    other_sizes: np.ndarray,
    other_outside: np.ndarray,
    rule: MatchRule,
) -> np.ndarray:
    """Say which lesions of one mask are matched by those of the other.

    ``overlap``: (lesions, other lesions) shared voxels. ``sizes``, ``other_sizes``: voxels of each lesion.
    ``other_outside``: voxels of each other lesion that lie in none of the lesions. Returns bool (lesions,).
    """
    matched = np.zeros(len(sizes), dtype=bool)
    outside_fraction = other_outside / np.maximum(other_sizes, 1)
    for lesion, row in enumerate(overlap):
        covered = int(row.sum())
        if covered == 0 or covered / sizes[lesion] <= rule.alpha:
            continue
        by_overlap = np.argsort(-row, kind="stable")
        explained_before = np.concatenate([[0], np.cumsum(row[by_overlap])[:-1]]) / covered
        needed = by_overlap[(explained_before < rule.gamma) & (row[by_overlap] > 0)]
        matched[lesion] = bool(np.all(outside_fraction[needed] <= rule.beta))
    return matched


def judge_lesions(
    prediction: np.ndarray, reference: np.ndarray, voxel_mm3: float, rule: MatchRule
) -> JudgedLesions:
    """Say of every lesion of two masks (X, Y, Z) on one grid whether the other mask has it too, by ``rule``."""
    predicted_labels, predicted_sizes = _kept_lesions(prediction, voxel_mm3, rule)
    reference_labels, reference_sizes = _kept_lesions(reference, voxel_mm3, rule)
    table = np.zeros((len(reference_sizes) + 1, len(predicted_sizes) + 1), dtype=np.int64)
    touched = (predicted_labels > 0) | (reference_labels > 0)
    np.add.at(table, (reference_labels[touched], predicted_labels[touched]), 1)
    overlap = table[1:, 1:]
    detected = match_lesions(overlap, reference_sizes, predicted_sizes, table[0, 1:], rule)
    true = match_lesions(overlap.T, predicted_sizes, reference_sizes, table[1:, 0], rule)
    return JudgedLesions(reference_sizes, detected, predicted_sizes, true, predicted_labels)


def _count_lesions(judged: JudgedLesions, rule: MatchRule) -> dict:
    detected, true = judged.detected, judged.true
    sensitivity = ppv = f1 = None
    if len(detected):
        sensitivity = float(detected.mean())
        ppv = float(true.mean()) if len(true) else rule.ppv_without_prediction
        both = sensitivity + (ppv or 0.0)
        f1 = 2.0 * sensitivity * (ppv or 0.0) / both if both > 0 else 0.0
    return {
        "sensitivity": sensitivity,
        "ppv": ppv,
        "f1": f1,
        "true_positives": int(detected.sum()),
        "false_negatives": int((~detected).sum()),
        "false_positives": int((~true).sum()),
        "reference_lesions": len(detected),
        "predicted_lesions": len(true),
    }


def _kept_lesions(mask: np.ndarray, voxel_mm3: float, rule: MatchRule) -> tuple[np.ndarray, np.ndarray]:
    """Label the lesions that the rule counts (1..n, largest first) and return their sizes in voxels."""
    labels, count = label_components(mask, rule.connectivity)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    # Spacings come from float32 headers: without the tolerance 0.1 % too fine a voxel would pass "more than".
    fewest = math.floor(rule.larger_than_mm3 / voxel_mm3 + 1e-6) + 1
    kept = int((sizes >= fewest).sum())
    labels[labels > kept] = 0  # ids run from the largest lesion to the smallest
    return labels, sizes[:kept]


def _surface_points(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    from scipy.ndimage import binary_erosion

    box = bounding_box(mask)
    if box is None:
        return np.zeros((0, 3))
    padded = np.pad(mask[box], 1)
    surface = padded & ~binary_erosion(padded)
    start = np.array([part.start - 1 for part in box])
    return (np.argwhere(surface) + start) * np.asarray(spacing, dtype=float)
