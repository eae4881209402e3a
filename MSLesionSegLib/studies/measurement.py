"""Measuring the default models on patients, and on hospitals, that they never saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.network.store import Model, load_model
from MSLesionSegLib.progress import Progress
from MSLesionSegLib.segmentation.probability import lesion_probability
from MSLesionSegLib.studies.default_models import REAL_MS, ROTATION, STAGES
from MSLesionSegLib.training.prepare import TrainingScan, find_scans, paint_over


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


def plan(data: Path) -> Iterator[Measured]:
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

    Finished maps are kept; stages that are not trained yet are passed over. Brain masks are found once per scan.
    """
    todo = [m for m in plan(data) if m.stage in STAGES and (work / "models" / m.stage).exists()]
    models: dict[str, Model] = {}
    for k, measured in enumerate(todo):
        progress.stage("measuring", k / max(len(todo), 1))
        out = work / "measured" / measured.group
        target = out / f"{measured.name}_probseg.nii.gz"
        if target.exists():
            continue
        model = models.setdefault(measured.stage, load_model(work / "models" / measured.stage))
        image = read_scan(measured.scan.image).image
        mask = read_mask(measured.scan.mask, image)
        brain = _brain(measured.scan, image, work)
        if measured.group == "lesion-free":
            image, mask, brain = paint_over(image, mask, brain)
            mask = nib.Nifti1Image(np.zeros_like(mask.dataobj), mask.affine)
        found = lesion_probability(model, [image], brain)
        out.mkdir(parents=True, exist_ok=True)
        nib.save(mask, out / f"{measured.name}_reference.nii.gz")
        nib.save(nib.Nifti1Image(found.probability.astype(np.float32), image.affine), target)


def _brain(scan: TrainingScan, image: nib.Nifti1Image, work: Path) -> nib.Nifti1Image:
    """The brain as the shipped network finds it, as a user would get it."""
    file = work / "measured" / "brains" / f"{scan.name}.nii.gz"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        nib.save(brain_mask(image), file)
    return read_mask(file, image)
