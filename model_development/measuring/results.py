"""The measured numbers of the default models as text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from model_development.measuring.flair import LESION_FREE, regions_file
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.evaluation.mask_pairs import average, evaluate_pairs, to_markdown, write_case_table
from MSLesionSegLib.evaluation.metrics import MATCH_RULES, judge_lesions
from MSLesionSegLib.lesions.components import LesionRule, find_lesions, label_components
from MSLesionSegLib.lesions.regions import REGIONS, RegionMap
from MSLesionSegLib.lesions.table import lesion_table
from MSLesionSegLib.tasks import get_task

TITLES = {
    "rotation": "Patients that the measured model never saw (rotation in three groups)",
    "other-hospital": "Hospitals that the measured model never saw",
    "base": "The base model, which never saw a real MS patient",
}
Pair = tuple[str, Path, Path]


def write_results(work: Path, rule: LesionRule) -> Path:
    """Write ``work/results.md`` and a CSV per group from the maps that the step ``measure`` left.

    Args:
        work: folder of the study.
        rule: what counts as a lesion, the same for every table.

    Raises:
        SettingsError: nothing was measured yet.
    """
    groups = binarise(work / "measured", rule)
    parts = [heading("flair", rule)]
    for group, pairs in groups.items():
        if group.endswith(LESION_FREE):
            parts.append(f"## {_lesion_free_title(group)}\n\n{false_positive_table(pairs)}")
            continue
        parts.append(f"## {TITLES.get(group, f'Scans judged by {group}')}\n")
        for preset in ("any-overlap", "msseg"):
            evaluation = evaluate_pairs(pairs, preset)
            write_case_table(evaluation, work / f"{group}-{preset}.csv")
            parts.append(f"### {preset}\n\n{to_markdown(evaluation)}")
        parts.append(f"### False positives by region\n\n{region_table(pairs, work)}")
    target = work / "results.md"
    target.write_text("\n".join(parts), encoding="utf-8")
    return target


def _lesion_free_title(group: str) -> str:
    model = group.removesuffix(LESION_FREE).removesuffix("-")
    return f"Lesion-free scans judged by {model}" if model else "Lesion-free scans"


def heading(task: str, rule: LesionRule) -> str:
    """What the tables of a task are about, and what counts as a lesion in them."""
    return (
        f"Task: {get_task(task).title}. Threshold {rule.threshold:g}, lesions below {rule.minimum_mm3:g} mm3 or "
        f"with a peak probability below {rule.minimum_peak:g} dropped, {rule.connectivity}-connected.\n"
    )


def binarise(measured: Path, rule: LesionRule) -> dict[str, list[Pair]]:
    """Masks from the measured probability maps: (name, prediction, reference) of each group.

    Raises:
        SettingsError: there are no maps.
    """
    pairs: dict[str, list[Pair]] = {}
    for file in sorted(measured.glob("*/*_probseg.nii.gz")):
        image = nib.Nifti1Image.from_filename(file)
        voxel_mm3 = float(np.prod(voxel_sizes(image.affine)))
        mask = find_lesions(np.asarray(image.dataobj), rule, voxel_mm3)[0] > 0
        name = file.name.removesuffix("_probseg.nii.gz")
        target = file.with_name(f"{name}_mask.nii.gz")
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), image.affine), target)
        pairs.setdefault(file.parent.name, []).append(
            (name, target, file.with_name(f"{name}_reference.nii.gz"))
        )
    if not pairs:
        raise SettingsError(f"Nothing was measured in {measured.parent}: run the step 'measure' first.")
    return pairs


def region_table(pairs: list[Pair], work: Path) -> str:
    """False positives (any overlap) by the region that they lie in, and all lesions of the reference likewise."""
    false: Counter[str] = Counter()
    all_lesions: Counter[str] = Counter()
    for name, mask, reference in pairs:
        regions = RegionMap(nib.Nifti1Image.from_filename(regions_file(work, name)))
        predicted, true = nib.Nifti1Image.from_filename(mask), nib.Nifti1Image.from_filename(reference)
        judged = judge_lesions(
            np.asarray(predicted.dataobj),
            np.asarray(true.dataobj),
            float(np.prod(voxel_sizes(true.affine))),
            MATCH_RULES["any-overlap"],
        )
        found = nib.Nifti1Image(judged.predicted_labels, predicted.affine)
        false.update(
            lesion.region for lesion in lesion_table(found, None, regions) if not judged.true[lesion.id - 1]
        )
        labels = nib.Nifti1Image(label_components(np.asarray(true.dataobj) > 0)[0], true.affine)
        all_lesions.update(lesion.region for lesion in lesion_table(labels, None, regions))
    lines = ["| Region | False positives | per scan | Lesions (reference) |", "|---|---|---|---|"]
    for region in REGIONS:
        lines.append(
            f"| {region} | {false[region]} | {false[region] / len(pairs):.1f} | {all_lesions[region]} |"
        )
    return "\n".join(lines) + "\n"


def false_positive_table(pairs: list[Pair]) -> str:
    """Scans without lesions: every lesion that is found is a false positive."""
    lines = ["| Case | False positives | Volume (ml) |", "|---|---|---|"]
    counts = []
    for name, mask, _ in pairs:
        image = nib.Nifti1Image.from_filename(mask)
        data = np.asarray(image.dataobj) > 0
        count = label_components(data)[1]
        volume = float(data.sum() * np.prod(voxel_sizes(image.affine))) / 1000
        counts.append(count)
        lines.append(f"| {name} | {count} | {volume:.2f} |")
    mean = average(counts)
    error = "" if mean.standard_error is None else f" +- {mean.standard_error:.1f}"
    lines.append(f"| **Mean +- SE** | {mean.mean:.1f}{error} | |")
    return "\n".join(lines) + "\n"
