"""How far the results of a model can be trusted, from maps of scans that its sisters never saw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from model_development.default_models import REAL_MS
from model_development.measuring.flair import brain_file, kept_statistics, regions_file
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.evaluation.calibration import (
    JudgedLesion,
    fit_lesions,
    ranges_of,
    reliability_curve,
    shares_left_out,
    voxel_counts,
)
from MSLesionSegLib.lesions.components import LesionRule, find_lesions
from MSLesionSegLib.lesions.possible import possible_lesions
from MSLesionSegLib.lesions.regions import RegionMap
from MSLesionSegLib.lesions.table import lesion_table
from MSLesionSegLib.network.models.confidence import Confidence
from MSLesionSegLib.network.models.store import read_card, write_card
from MSLesionSegLib.training.examples.dataset_examples import find_scans

GROUPS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)  # of told shares


@dataclass(frozen=True, eq=False)
class CalibrationScan:
    """One measured scan: probability and lesions of its brain, voxel by voxel (N,), and what was found on it."""

    name: str
    probability: np.ndarray
    found: np.ndarray
    reference: np.ndarray
    counts: np.ndarray
    judged: tuple[JudgedLesion, ...]

    @property
    def patient(self) -> str:
        return _patient(self.name)

    @property
    def dice(self) -> float:
        """Agreement of what was found with the reference."""
        return float(2 * (self.found & self.reference).sum() / (self.found.sum() + self.reference.sum()))


def calibrate(model: Path, data: Path, work: Path, group: str) -> Path:
    """Write what the maps of a measured group teach into a model's card, and ``work/calibration.md``.

    Args:
        model: folder; its card's rule says what counts as a lesion.
        data: folder with the datasets that models train on; the shipped model saw all of these scans.
        work: where ``measure`` left the maps.
        group: folder of maps, of scans with lesions, by models that never saw them.

    Raises:
        SettingsError: no two patients were measured in this group, or there are not both true and false lesions,
            whichever patient is left out. The card stays as it was.
    """
    card = read_card(model)
    rule = LesionRule(card.threshold, card.minimum_mm3, card.minimum_peak)
    scans = list(_scans(work, group, rule))
    judged = [lesion for scan in scans for lesion in scan.judged]
    if len({each.patient for each in judged}) < 2:
        raise SettingsError(
            f"{work / 'measured' / group} holds no two patients: run the step 'measure' first."
        )
    trained_on = (scan for site in REAL_MS for scan in find_scans(data / site))
    ranges = ranges_of(kept_statistics(scan, work) for scan in trained_on)
    try:
        lesions, told = fit_lesions(judged), _lesion_table(judged)
    except ValueError as error:
        raise SettingsError(f"The lesions of {group} cannot teach how many are true: {error}.") from None

    def taught_by(teachers: Iterable[CalibrationScan]) -> Confidence:
        predicted, observed = reliability_curve(np.sum([scan.counts for scan in teachers], axis=0))
        return Confidence(
            lesions, tuple(predicted.round(5).tolist()), tuple(observed.round(5).tolist()), ranges
        )

    expected = [
        taught_by(other for other in scans if other.patient != scan.patient).expected_dice(
            scan.probability, scan.found
        )
        for scan in scans
    ]
    confidence = taught_by(scans)
    target = work / "calibration.md"
    target.write_text(
        "\n".join([told, _scan_table(scans, expected), _voxel_table(confidence)]), encoding="utf-8"
    )
    write_card(model, replace(card, confidence=confidence.as_dict()))
    return target


def _scans(work: Path, group: str, rule: LesionRule) -> Iterator[CalibrationScan]:
    folder = work / "measured" / group
    for file in sorted(folder.glob("*_probseg.nii.gz")):
        name = file.name.removesuffix("_probseg.nii.gz")
        image = nib.Nifti1Image.from_filename(file)
        probability = np.asarray(image.dataobj, np.float32)
        reference, brain = (
            np.asarray(nib.Nifti1Image.from_filename(other).dataobj) > 0
            for other in (
                folder / f"{name}_reference.nii.gz",
                brain_file(work, name),
            )
        )
        voxel_mm3 = float(np.prod(voxel_sizes(image.affine)))
        certain, _ = find_lesions(probability, rule, voxel_mm3)
        regions = RegionMap(nib.Nifti1Image.from_filename(regions_file(work, name)))
        judged = [
            JudgedLesion(_patient(name), lesion, bool(reference[labels == lesion.id].any()))
            for labels in (certain, possible_lesions(probability, certain, voxel_mm3))
            for lesion in lesion_table(nib.Nifti1Image(labels, image.affine), image, regions)
        ]
        inside = brain | reference
        yield CalibrationScan(
            name,
            probability[inside],
            certain[inside] > 0,
            reference[inside],
            voxel_counts(probability[inside], reference[inside], voxel_mm3),
            tuple(judged),
        )


def _patient(name: str) -> str:
    """Of a measured scan; one may have several visits."""
    return name.split("_")[0]


def _lesion_table(judged: Sequence[JudgedLesion]) -> str:
    told, true = shares_left_out(judged), np.array([each.true for each in judged])
    lines = ["| Told, of 100 | Lesions | Told on average | True |", "|---|---|---|---|"]
    for low, high in pairwise(GROUPS):
        part = (told >= low) & ((told < high) | (high == 1))
        if part.any():
            numbers = f"{100 * told[part].mean():.0f} | {100 * true[part].mean():.0f}"
            lines.append(f"| {100 * low:.0f} to {100 * high:.0f} | {part.sum()} | {numbers} |")
    brier, base = ((told - true) ** 2).mean(), true.mean() * (1 - true.mean())
    return "\n".join([*lines, "", f"Brier score {brier:.3f}; by the mean alone {base:.3f}.", ""])


def _scan_table(scans: Sequence[CalibrationScan], expected: Sequence[float | None]) -> str:
    lines = ["| Scan | Dice | Expected Dice |", "|---|---|---|"]
    for scan, dice in zip(scans, expected, strict=True):
        told = "-" if dice is None else f"{dice:.2f}"
        lines.append(f"| {scan.name} | {scan.dice:.2f} | {told} |")
    return "\n".join([*lines, ""])


def _voxel_table(confidence: Confidence) -> str:
    lines = ["| Probability | Lesion for the reader |", "|---|---|"]
    pairs = zip(confidence.predicted, confidence.observed, strict=True)
    return "\n".join([*lines, *(f"| {likely:.3f} | {share:.3f} |" for likely, share in pairs), ""])
