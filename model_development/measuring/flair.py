"""Measuring the default models on patients, and on hospitals, that they never saw."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from model_development.default_models import REAL_MS, ROTATION
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.imaging.checks.intensity_statistics import intensity_statistics
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.imaging.writing import save_in_folder
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.lesions.regions import fit_atlas
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.network.models.store import Model, load_model, read_card
from MSLesionSegLib.segmentation.probability import lesion_probability, network_input
from MSLesionSegLib.training.examples.dataset_examples import TrainingScan, find_scans, paint_over

LESION_FREE = "lesion-free"
LESION_FREE_SEED = 1  # another texture than that which training saw


@dataclass(frozen=True)
class MeasuredScan:
    """One scan with the model that may judge it.

    Attributes:
        group: ``rotation``, ``other-hospital``, ``base`` or ``lesion-free``, or that of :func:`scans_for`.
        model: folder of the model; it never saw the scan's patient.
        scan: files of the scan.
        lesion_free: its lesions are painted over first.
    """

    group: str
    model: Path
    scan: TrainingScan
    lesion_free: bool = False

    @property
    def name(self) -> str:
        return self.scan.name


def rotation_scans(data: Path, models: Path) -> Iterator[MeasuredScan]:
    """Which model of the rotation is measured on which scan; ``models``: where they lie, each by its stage's name."""
    for site in REAL_MS:
        for scan in find_scans(data / site):
            subject = scan.name.split("_")[0]
            for k, group in enumerate(ROTATION, start=1):
                if subject in group:
                    yield MeasuredScan("rotation", models / f"rotation-{k}", scan)
                    yield MeasuredScan(LESION_FREE, models / f"rotation-{k}", scan, lesion_free=True)
            yield MeasuredScan("other-hospital", models / f"without-{site.removesuffix('_cross')}", scan)
            yield MeasuredScan("base", models / "flair-base", scan)


def measure_rotation(data: Path, work: Path, progress: Progress) -> None:
    """Measure the models of the rotation, see :func:`measure`."""
    measure(rotation_scans(data, work / "models"), work, progress)


def scans_for(model: Path, data: Path, datasets: Sequence[str]) -> Iterator[MeasuredScan]:
    """Every scan of these datasets, and its lesion-free twin, for one model; the groups are called after the model.

    Raises:
        SettingsError: a dataset has no scans with masks.
    """
    for dataset in datasets:
        scans = list(find_scans(data / dataset))
        if not scans:
            raise SettingsError(f"{data / dataset} has no FLAIR with a mask of lesions.")
        for scan in scans:
            yield MeasuredScan(model.name, model, scan)
            yield MeasuredScan(f"{model.name}-{LESION_FREE}", model, scan, lesion_free=True)


def measure(scans: Iterable[MeasuredScan], work: Path, progress: Progress) -> None:
    """Write probability map, reference mask and regions of every measured scan below ``work/measured/<group>``.

    A finished map is kept as long as the model is the same; models that are not trained yet are passed over. Brain
    masks are those of the shipped network, as a user gets them, found once per scan.
    """
    todo = sorted((m for m in scans if m.model.exists()), key=lambda measured: measured.model)
    model: tuple[Path, Model] | None = None
    for k, measured in enumerate(todo):
        progress.stage("measuring", k / max(len(todo), 1))
        target = work / "measured" / measured.group / f"{measured.name}_probseg.nii.gz"
        made_by = target.with_name(f"{measured.name}_model.txt")
        weights = read_card(measured.model).weights_sha256
        if target.exists() and made_by.exists() and made_by.read_text() == weights:
            continue
        if model is None or model[0] != measured.model:
            model = measured.model, load_model(measured.model)
        _measure_scan(measured, model[1], target, work)
        made_by.write_text(weights)


def _measure_scan(measured: MeasuredScan, model: Model, target: Path, work: Path) -> None:
    image = read_scan(measured.scan.image).image
    mask = read_mask(measured.scan.mask, image)
    brain = kept_brain(brain_file(work, measured.name), image, find=brain_mask)
    if measured.lesion_free:
        image = paint_over(image, mask, brain, LESION_FREE_SEED)
        mask = nib.Nifti1Image(np.zeros(mask.shape, np.uint8), mask.affine)
    found = lesion_probability(model, [image], brain, mirroring=model.card.mirroring)
    regions = regions_file(work, measured.name)
    if not regions.exists():
        whole = nib.Nifti1Image(found.seen.brain.astype(np.uint8), found.seen.affine)
        fitted = fit_atlas(nib.Nifti1Image(found.seen.channels[0], found.seen.affine), whole).labels
        save_in_folder(regions.parent, {regions.name: (np.asarray(fitted.dataobj), fitted)})
    reference = target.with_name(f"{measured.name}_reference.nii.gz")
    save_in_folder(
        target.parent,
        {
            reference.name: (np.asarray(mask.dataobj), image),
            target.name: (found.probability.astype(np.float32), image),
        },
    )


def regions_file(work: Path, scan: str) -> Path:
    """Where the anatomical regions of a measured scan are kept, found once per scan."""
    return work / "measured" / "regions" / f"{scan}.nii.gz"


def kept_statistics(scan: TrainingScan, work: Path) -> dict[str, float]:
    """The intensity statistics of a measured scan, found once."""
    file = work / "measured" / "statistics" / f"{scan.name}.json"
    if not file.exists():
        image = read_scan(scan.image).image
        seen = network_input([image], kept_brain(brain_file(work, scan.name), image, find=brain_mask))
        write_text(file, json.dumps(intensity_statistics(seen.channels[0], seen.brain)))
    return json.loads(file.read_text(encoding="utf-8"))


def brain_file(work: Path, scan: str) -> Path:
    """Where the brain mask of a measured scan is kept."""
    return work / "measured" / "brains" / f"{scan}.nii.gz"


def kept_brain(file: Path, *scans: nib.Nifti1Image, find: Callable[..., nib.Nifti1Image]) -> nib.Nifti1Image:
    """The brain mask of registered scans, found once and kept in a file."""
    if not file.exists():
        save_in_folder(file.parent, {file.name: (np.asarray(find(*scans).dataobj), scans[-1])})
    return read_mask(file, scans[-1])
