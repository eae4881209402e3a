"""Measuring the comparison of two FLAIRs: real pairs, pairs without change, and the registrations."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy import ndimage

from model_development.measuring.pair_bench import Bench, Scanned
from model_development.measuring.visits import measure_visits
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.evaluation.metrics import compare_masks
from MSLesionSegLib.evaluation.selfcheck import CONTRAST, insert_known, score_inserted
from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.imaging.checks.comparability import overall
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.imaging.registration import REGISTRATION_METHODS, register
from MSLesionSegLib.imaging.subtraction import subtract
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.lesions.components import label_components, smallest_voxel_count
from MSLesionSegLib.lesions.lesion_states import TrackedLesions
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.segmentation.longitudinal.comparison import (
    ChangeSettings,
    LesionChange,
    Timepoint,
    find_change,
    judge_change,
)
from MSLesionSegLib.synthesis.reacquire import scan_again

SMALLEST_MM3 = 3.0
PLAIN_RULE_Z = (1.0, 1.5, 2.0)
FAINT = 1.2  # brightness of the lesions that rules are chosen by, in standard deviations of the brain
THRESHOLDS, PEAKS, SUPPORTS = (0.2, 0.35, 0.5, 0.65), (0.0, 0.7, 0.85), (0.0, 0.1, 0.3)
DATASETS = ("openms_long", "ms3seg", "openms_cross", "brats")


@dataclass(frozen=True)
class RealPair:
    """Two raw FLAIRs, and the mask of what changed with the baseline on the mask's grid."""

    name: str
    baseline: Path
    followup: Path
    common: Path
    change: Path


def real_pairs(dataset: Path) -> Iterator[RealPair]:
    """Patients of a longitudinal BIDS dataset with a change mask."""
    for mask in sorted(dataset.glob("derivatives/manual/sub-*/*_label-change_mask.nii.gz")):
        name = mask.name.split("_")[0]
        before, after = (
            dataset / name / f"ses-{k}" / "anat" / f"{name}_ses-{k}_FLAIR.nii.gz" for k in (1, 2)
        )
        common = dataset / "derivatives" / "common" / name / f"{name}_ses-1_space-common_FLAIR.nii.gz"
        if all(file.exists() for file in (before, after, common)):
            yield RealPair(name, before, after, common, mask)


def measure_real(bench: Bench, data: Path, progress: Progress) -> list[dict[str, Any]]:
    """Compare what is found on real pairs with the manual masks: the network, and plain rules on the subtraction.

    The masks hold what became darker as well as what became brighter. ``reference`` "any change" is the whole mask,
    to which change in both directions is compared; "brighter" are those of its lesions whose mean of follow-up minus
    baseline is positive, to which only new and enlarged lesions are compared: lesions found that lie on one that
    became darker are left out there. A reference lesion of 3 mm3 or more is found if one voxel overlaps; what is
    found is true likewise.
    """
    rows = []
    pairs = list(real_pairs(data / "openms_long"))
    for k, pair in enumerate(pairs):
        progress.stage("real pairs", k / len(pairs))
        rows += _compared(bench, pair)
    return rows


def _compared(bench: Bench, pair: RealPair) -> list[dict[str, Any]]:
    baseline, followup = bench.timepoint(pair.baseline), bench.timepoint(pair.followup)
    change = find_change(baseline, followup, bench.model, bench.settings)
    common = read_scan(pair.common).image
    mask = read_mask(pair.change)
    truth = _at_least(np.asarray(mask.dataobj) > 0, mask.affine)
    to_common = register(baseline.flair, common, moving_mask=baseline.brain, fixed_mask=brain_mask(common))

    def there(volume: np.ndarray) -> np.ndarray:
        whole = nib.Nifti1Image(volume.astype(np.float32), change.subtraction.affine)
        return np.asarray(to_common.apply(whole, common).dataobj)

    brighter = _brighter(truth, there(change.subtraction.difference))
    methods = {"network": change.tracked}
    for limit in PLAIN_RULE_Z:
        methods[f"subtraction above {limit:g}"] = _plain_rule(change, bench.settings, limit)
    rows = []
    for method, tracked in methods.items():
        came = _at_least(there(tracked.after & ~tracked.before) >= 0.5, common.affine)
        went = _at_least(there(tracked.before & ~tracked.after) >= 0.5, common.affine)
        both = {"any change": (came | went, truth), "brighter": (_off(came, truth & ~brighter), brighter)}
        for reference, (found, wanted) in both.items():
            facts = {"correlation": change.subtraction.correlation, "light": overall(change.checks)}
            agreement = asdict(compare_masks(found, wanted, nib.affines.voxel_sizes(common.affine)))
            rows.append({"pair": pair.name, "method": method, "reference": reference, **facts, **agreement})
    return rows


def _plain_rule(change: LesionChange, settings: ChangeSettings, limit: float) -> TrackedLesions:
    """What differs by ``limit`` z where the FLAIR model supports it, and nothing else."""
    pair = change.subtraction
    appeared, gone = (((sign * pair.difference > limit) & pair.brain).astype(np.float32) for sign in (1, -1))
    return judge_change(appeared, gone, change.lesions_before, change.lesions_after, pair, settings)


def _brighter(truth: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Those components of a mask whose mean difference is positive."""
    labels, count = label_components(truth)
    means = np.atleast_1d(ndimage.mean(difference, labels, np.arange(count + 1)))
    return (labels > 0) & (means > 0)[labels]


def _off(found: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A mask without the components that touch another mask."""
    labels, _ = label_components(found)
    return found & ~np.isin(labels, labels[other & found])


def measure_unchanged(bench: Bench, data: Path, progress: Progress) -> list[dict[str, Any]]:
    """Count new and enlarged lesions where nothing changed: a scan and itself, and the scan scanned again.

    The FLAIR model's support is only asked for where the network finds anything, be it half of the threshold, because
    it can only take away.
    """
    files = [f for name in DATASETS for f in sorted((data / name).glob("sub-*/**/anat/*_FLAIR.nii.gz"))]
    rows = []
    for k, file in enumerate(files):
        progress.stage("pairs without change", k / len(files))
        kept = bench.work / "unchanged" / f"{file.name.split('.')[0]}_{bench.key}.json"
        if not kept.exists():
            write_text(kept, json.dumps(_unchanged(bench, file, k)))
        rows.append(json.loads(kept.read_text(encoding="utf-8")))
        progress.metric("false lesions", rows[-1]["same"] + rows[-1]["again"], scan=file.name)
    return rows


def _unchanged(bench: Bench, file: Path, seed: int) -> dict[str, Any]:
    plain = image, brain = bench.scan(file)
    image, brain = scan_again(image, np.random.default_rng(seed), also=(brain,))
    return {
        "scan": file.name,
        "same": _false(bench, plain, plain),
        "again": _false(bench, plain, (image, brain)),
    }


def _false(bench: Bench, first: Scanned, second: Scanned) -> int:
    def without_lesions(flair: nib.Nifti1Image, brain: nib.Nifti1Image) -> Timepoint:
        none = np.zeros(flair.shape, np.float32)
        return Timepoint(flair, brain, nib.Nifti1Image(none, flair.affine))

    change = find_change(without_lesions(*first), without_lesions(*second), bench.model, bench.settings)
    if not (change.appeared >= bench.settings.rule.threshold / 2).any():
        return 0
    before, after = bench.with_lesions(first), bench.with_lesions(second)
    states = find_change(before, after, bench.model, bench.settings).tracked.counts()
    return states["new"] + states["enlarged"]


def measure_registrations(bench: Bench, data: Path, progress: Progress) -> list[dict[str, Any]]:
    """CPU time, correlation and what becomes of inserted lesions for each preset on the real pairs."""
    rows = []
    pairs = list(real_pairs(data / "openms_long"))
    for k, pair in enumerate(pairs):
        baseline, followup = bench.timepoint(pair.baseline), bench.timepoint(pair.followup)
        image, ids, _ = insert_known(followup, np.random.default_rng(k), CONTRAST)
        for n, preset in enumerate(REGISTRATION_METHODS):
            progress.stage("registrations", (k + n / len(REGISTRATION_METHODS)) / len(pairs))
            start = time.process_time()
            found = register(
                image, baseline.flair, preset=preset, moving_mask=followup.brain, fixed_mask=baseline.brain
            )
            seconds = time.process_time() - start
            matched = subtract(baseline.flair, image, baseline.brain, followup.brain, found)
            grid = nib.Nifti1Image(matched.brain.astype(np.uint8), matched.affine)
            kept = []
            for number in np.unique(np.asarray(ids.dataobj)):
                if number:
                    one = (np.asarray(ids.dataobj) == number).astype(np.float32)
                    moved = np.asarray(found.apply(nib.Nifti1Image(one, ids.affine), grid).dataobj)
                    kept.append(float(moved.sum() / one.sum()))
            rows.append(
                {
                    "pair": pair.name,
                    "preset": preset,
                    "cpu_s": seconds,
                    "ncc": found.score,
                    "matched": matched.correlation,
                    "jacobian": found.largest_jacobian,
                    "volume_change": float(np.mean(np.abs(np.array(kept) - 1))),
                    "largest_volume_change": float(np.max(np.abs(np.array(kept) - 1))),
                }
            )
    return rows


def measure_rules(bench: Bench, data: Path, progress: Progress) -> list[dict[str, Any]]:
    """Faint lesions are put into scans that no training saw and no pair is made of: found and false ones by rule.

    Each scan with inserted lesions is also scanned again. Threshold, peak and support that ship were compared here.
    """
    paired = {pair.name for pair in real_pairs(data / "openms_long")}
    files = sorted((data / "openms_long").glob("sub-*/**/anat/*_FLAIR.nii.gz"))
    files = [file for file in files if file.name.split("_")[0] not in paired]
    rows: dict[tuple[float, float, float], dict[str, Any]] = {}
    for k, file in enumerate(files):
        progress.stage("rules", k / max(len(files), 1))
        before = bench.timepoint(file)
        image, truth, diameters = insert_known(before, np.random.default_rng(k), FAINT)
        image, brain = scan_again(image, np.random.default_rng(k), also=(before.brain,))
        after = bench.with_lesions((image, brain))
        change = find_change(before, after, bench.model, bench.settings)
        for rule in product(THRESHOLDS, PEAKS, SUPPORTS):
            threshold, peak, support = rule
            wanted = replace(bench.settings.rule, threshold=threshold, minimum_peak=peak)
            limits = replace(bench.settings.limits, support=support)
            settings = replace(bench.settings, rule=wanted, limits=limits)
            tracked = judge_change(
                change.appeared, change.gone, change.lesions_before, change.lesions_after,
                change.subtraction, settings,
            )  # fmt: skip
            by_size, false = score_inserted(replace(change, tracked=tracked), truth, diameters)
            start = dict(threshold=threshold, peak=peak, support=support, inserted=0, found=0, false=0)
            row = rows.setdefault(rule, start)
            row["inserted"] += sum(size.inserted for size in by_size)
            row["found"] += sum(size.found for size in by_size)
            row["false"] += false
    return list(rows.values())


PARTS = {
    "rules": measure_rules,
    "pairs": measure_real,
    "unchanged": measure_unchanged,
    "registrations": measure_registrations,
    "visits": measure_visits,
}


def measure(
    data: Path,
    work: Path,
    parts: list[str],
    progress: Progress,
    *,
    model: str | None = None,
    flair_model: str | None = None,
) -> Path:
    """Run parts of the measurement (all when empty) and write ``work/new-lesions-<part>.json`` for each.

    Args:
        data: folder with the datasets.
        work: folder for results, brain masks and lesion maps.
        model, flair_model: those in use when None.

    Raises:
        SettingsError: an unknown part.
    """
    unknown = set(parts) - set(PARTS)
    if unknown:
        raise SettingsError(f"There is no part {', '.join(sorted(unknown))}. Parts: {', '.join(PARTS)}.")
    bench = Bench(work, model, flair_model)
    for name, part in PARTS.items():
        if parts and name not in parts:
            continue
        rows = part(bench, data, progress)
        work.mkdir(parents=True, exist_ok=True)
        (work / f"new-lesions-{name}.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return work


def _at_least(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The mask without components below 3 mm3."""
    labels, _ = label_components(mask)
    smallest = smallest_voxel_count(abs(float(np.linalg.det(affine[:3, :3]))), SMALLEST_MM3)
    return (labels > 0) & (np.bincount(labels.ravel()) >= smallest)[labels]
