"""Measuring the models for enhancing lesions: synthetic foci in pairs that training never saw, and false foci."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from model_development.enhancing_examples import T1Pair, brain_of_both, find_pairs
from model_development.measuring.flair import kept_brain
from model_development.measuring.results import binarise, false_positive_table, heading
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.evaluation.mask_pairs import evaluate_pairs, to_markdown
from MSLesionSegLib.imaging.normalization import PAIR_WINSORISE_PERCENT, zscore
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.imaging.writing import save_in_folder
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.network.models.store import load_model
from MSLesionSegLib.segmentation.probability import lesion_probability
from MSLesionSegLib.synthesis.gadolinium_enhancement import insert_foci

MODEL = "enhancing-ms"
DATASET = "openms_cross"  # no stage trains on a pair of it
VERSIONS = 3
FOCI = 8


@dataclass(frozen=True)
class MeasuredPair:
    """One pair that the model never saw.

    Attributes:
        pair: files.
        version: number of the set of foci that is put in; None leaves the pair as it is.
    """

    pair: T1Pair
    version: int | None

    @property
    def name(self) -> str:
        return f"{self.pair.name}_{'plain' if self.version is None else f'foci-{self.version}'}"

    @property
    def group(self) -> str:
        return "plain" if self.version is None else "foci"


def measured_pairs(data: Path) -> Iterator[MeasuredPair]:
    """Which pairs the model is measured on: as they are, and with several sets of foci."""
    for pair in find_pairs(data / DATASET):
        for version in (None, *range(1, VERSIONS + 1)):
            yield MeasuredPair(pair, version)


def measure_enhancing(data: Path, work: Path, progress: Progress) -> None:
    """Write the probability map and the reference of every measured pair below ``work/measured-enhancing``.

    A finished map is kept as long as the model is the same.

    Raises:
        SettingsError: the model is not trained yet.
    """
    folder = work / "models" / MODEL
    if not folder.exists():
        raise SettingsError(f"There is no model {MODEL} in {work}: train it first.")
    model, todo = load_model(folder), list(measured_pairs(data))
    for k, measured in enumerate(todo):
        progress.stage("measuring", k / max(len(todo), 1))
        out = work / "measured-enhancing" / measured.group
        made_by = out / f"{measured.name}_model.txt"
        if made_by.exists() and made_by.read_text() == model.card.weights_sha256:
            continue
        pre, post = (read_scan(path).image for path in (measured.pair.pre, measured.pair.post))
        file = work / "measured-enhancing" / "brains" / f"{measured.pair.name}.nii.gz"
        brain = kept_brain(file, pre, post, find=brain_of_both)
        mask = np.zeros(post.shape, np.uint8)
        if measured.version is not None:
            pre, post, mask = with_foci(pre, post, brain, measured.version)
        found = lesion_probability(
            model,
            [pre, post],
            brain,
            winsorise_percent=PAIR_WINSORISE_PERCENT,
            mirroring=model.card.mirroring,
        )
        save_in_folder(
            out,
            {
                f"{measured.name}_reference.nii.gz": (mask, post),
                f"{measured.name}_probseg.nii.gz": (found.probability.astype(np.float32), post),
            },
        )
        made_by.write_text(model.card.weights_sha256)


def with_foci(
    pre: nib.Nifti1Image, post: nib.Nifti1Image, brain: nib.Nifti1Image, seed: int
) -> tuple[nib.Nifti1Image, nib.Nifti1Image, np.ndarray]:
    """The pair (1 mm) with :data:`FOCI` MS-like foci, and their mask (uint8)."""
    inside = np.asarray(brain.dataobj) > 0
    before = [np.asarray(scan.dataobj, dtype=np.float32) for scan in (pre, post)]
    z = [zscore(data, inside, PAIR_WINSORISE_PERCENT) for data in before]
    none = np.zeros(inside.shape, np.float32)
    z_pre, z_post, soft = insert_foci(z[0], z[1], none, FOCI, np.random.default_rng(seed))
    images = []
    for data, old, new in zip(before, z, (z_pre, z_post), strict=True):
        unit = np.ptp(data[inside]) / np.ptp(old[inside])
        images.append(nib.Nifti1Image(data + (new - old) * unit, post.affine))
    return images[0], images[1], (soft > 0.5).astype(np.uint8)


def write_enhancing_results(work: Path, rule: LesionRule) -> Path:
    """Write ``work/results-enhancing.md`` from the maps that the step ``measure`` left.

    Raises:
        SettingsError: nothing was measured yet.
    """
    groups = binarise(work / "measured-enhancing", rule)
    parts = [heading("enhancing", rule)]
    parts.append(f"## {FOCI} synthetic foci in each pair\n\n{to_markdown(evaluate_pairs(groups['foci']))}")
    parts.append(f"## The pairs as they are\n\n{false_positive_table(groups['plain'])}")
    target = work / "results-enhancing.md"
    target.write_text("\n".join(parts), encoding="utf-8")
    return target
