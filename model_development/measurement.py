"""Measuring the default models on patients, and on hospitals, that they never saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from model_development.default_models import REAL_MS, ROTATION
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.network.models.store import Model, load_model, read_card
from MSLesionSegLib.segmentation.probability import lesion_probability
from MSLesionSegLib.segmentation.result_folder import save_in_folder
from MSLesionSegLib.training.examples.dataset_examples import TrainingScan, find_scans, paint_over

LESION_FREE_SEED = 1  # another texture than that which training saw


@dataclass(frozen=True)
class Measured:
    """One scan with the model that may judge it.

    Attributes:
        group: ``rotation``, ``other-hospital``, ``base`` or ``lesion-free``.
        stage: model; it never saw the scan's patient.
        scan: files of the scan; for the group ``lesion-free`` its lesions are painted over first.
    """

    group: str
    stage: str
    scan: TrainingScan

    @property
    def name(self) -> str:
        return self.scan.name


def measured_scans(data: Path) -> Iterator[Measured]:
    """Which model is measured on which scan."""
    for site in REAL_MS:
        for scan in find_scans(data / site):
            subject = scan.name.split("_")[0]
            for k, group in enumerate(ROTATION, start=1):
                if subject in group:
                    yield Measured("rotation", f"rotation-{k}", scan)
                    yield Measured("lesion-free", f"rotation-{k}", scan)
            yield Measured("other-hospital", f"without-{site.removesuffix('_cross')}", scan)
            yield Measured("base", "flair-base", scan)


def measure(data: Path, work: Path, progress: Progress) -> None:
    """Write the probability map and the reference mask of every measured scan below ``work/measured/<group>``.

    A finished map is kept as long as the model is the same; stages that are not trained yet are passed over. Brain
    masks are those of the shipped network, as a user gets them, found once per scan.
    """
    todo = [m for m in measured_scans(data) if (work / "models" / m.stage).exists()]
    todo.sort(key=lambda measured: measured.stage)
    model: Model | None = None
    for k, measured in enumerate(todo):
        progress.stage("measuring", k / max(len(todo), 1))
        target = work / "measured" / measured.group / f"{measured.name}_probseg.nii.gz"
        made_by = target.with_name(f"{measured.name}_model.txt")
        weights = read_card(work / "models" / measured.stage).weights_sha256
        if target.exists() and made_by.exists() and made_by.read_text() == weights:
            continue
        if model is None or model.card.name != measured.stage:
            model = load_model(work / "models" / measured.stage)
        image = read_scan(measured.scan.image).image
        mask = read_mask(measured.scan.mask, image)
        brain = _brain(measured.scan, image, work)
        if measured.group == "lesion-free":
            image = paint_over(image, mask, brain, LESION_FREE_SEED)
            mask = nib.Nifti1Image(np.zeros(mask.shape, np.uint8), mask.affine)
        found = lesion_probability(model, [image], brain, flips=model.card.flips)
        reference = target.with_name(f"{measured.name}_reference.nii.gz")
        save_in_folder(
            target.parent,
            {
                reference.name: (np.asarray(mask.dataobj), image),
                target.name: (found.probability.astype(np.float32), image),
            },
        )
        made_by.write_text(weights)


def _brain(scan: TrainingScan, image: nib.Nifti1Image, work: Path) -> nib.Nifti1Image:
    file = work / "measured" / "brains" / f"{scan.name}.nii.gz"
    if not file.exists():
        save_in_folder(file.parent, {file.name: (np.asarray(brain_mask(image).dataobj), image)})
    return read_mask(file, image)
