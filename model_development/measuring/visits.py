"""New and vanished lesions between visits whose lesions were all outlined: what was called so, and what is so."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from model_development.measuring.pair_bench import Bench
from MSLesionSegLib.imaging.checks.comparability import overall
from MSLesionSegLib.imaging.grid import to_network_grid
from MSLesionSegLib.imaging.reading import read_mask
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.lesions.components import label_components
from MSLesionSegLib.lesions.lesion_states import NEW, VANISHED, TrackedLesions
from MSLesionSegLib.segmentation.longitudinal.comparison import LesionChange, find_change
from MSLesionSegLib.training.examples.dataset_examples import TrainingScan, find_scans

DATASET = "mslesseg"  # no model trains on it


def visit_pairs(dataset: Path) -> Iterator[tuple[TrainingScan, TrainingScan]]:
    """Consecutive visits of each patient, both with a mask of all lesions."""
    scans = sorted(find_scans(dataset), key=lambda scan: scan.name)
    for before, after in pairwise(scans):
        if before.name.split("_")[0] == after.name.split("_")[0]:
            yield before, after


def measure_visits(bench: Bench, data: Path, progress: Progress) -> list[dict[str, Any]]:
    """Compare each visit with the one before, and the fate of lesions with the masks of both.

    A lesion of one mask is visibly new (vanished) if no voxel of the other touches it, and found if a voxel of it is
    called so. What is called so is true if it touches such a lesion, and ``on_lesion`` if it touches any lesion of
    the visit that shows it.
    """
    pairs = list(visit_pairs(data / DATASET))
    rows = []
    for k, (first, second) in enumerate(pairs):
        progress.stage("visits", k / max(len(pairs), 1))
        change = find_change(
            bench.timepoint(first.image), bench.timepoint(second.image), bench.model, bench.settings
        )
        before, after = _masks(change, first, second, bench.model.card.spacing_mm)
        row: dict[str, Any] = {"pair": f"{first.name} to {second.name}", "light": overall(change.checks)}
        for state, shown, other in ((NEW, after, before), (VANISHED, before, after)):
            row |= {
                f"{state}_{name}": n for name, n in _agreement(change.tracked, state, shown, other).items()
            }
        rows.append(row)
    return rows


def _masks(
    change: LesionChange, first: TrainingScan, second: TrainingScan, spacing: float
) -> tuple[np.ndarray, np.ndarray]:
    """The masks of both visits on the grid of the comparison."""
    grid = nib.Nifti1Image(change.subtraction.brain.astype(np.uint8), change.subtraction.affine)
    before, after = (read_mask(scan.mask) for scan in (first, second))
    whole = [nib.Nifti1Image(np.asarray(mask.dataobj, np.float32), mask.affine) for mask in (before, after)]
    earlier = to_network_grid(whole[0], spacing)
    later = change.registration.apply(whole[1], grid)
    return np.asarray(earlier.dataobj) >= 0.5, np.asarray(later.dataobj) >= 0.5


def _agreement(tracked: TrackedLesions, state: str, shown: np.ndarray, other: np.ndarray) -> dict[str, int]:
    """How many lesions have a state by the program, and by the masks of the visit that shows them and the other."""
    called_ids = {number for number, each in tracked.states.items() if each == state}
    called = np.isin(tracked.labels, list(called_ids))
    labels, count = label_components(shown)
    visible = set(range(1, count + 1)) - set(np.unique(labels[other]).tolist())
    is_visible = np.isin(labels, list(visible))
    return {
        "visible": len(visible),
        "found": len(visible & set(np.unique(labels[called]).tolist())),
        "called": len(called_ids),
        "true": len(called_ids & set(np.unique(tracked.labels[is_visible]).tolist())),
        "on_lesion": len(called_ids & set(np.unique(tracked.labels[shown]).tolist())),
    }
