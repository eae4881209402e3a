"""How the brain extraction network is made: real heads with brain masks, brain-extracted scans, synthetic heads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to

from model_development.default_models import train_and_store
from MSLesionSegLib.imaging.grid import to_network_grid
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.brain_extraction import (
    MODEL,
    SPACING_MM,
    close_sulci,
    looks_stripped,
    normalise_head,
)
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.training.examples.example import Example, fingerprint, read_examples, write_example
from MSLesionSegLib.training.loop.recipe import RECIPES
from MSLesionSegLib.training.patches.patches import PatchSource

ARCHITECTURE = Architecture(feature_maps=8, levels=4)
WEIGHTS = {"ms3seg": 4.0, "openms_long": 3.0, "openms_cross": 0.7, "brats": 0.7}
# the manual brain mask of openms_long 03 leaves out a part of the cerebellum and of the occipital lobes
LEAVE_OUT = ("sub-03",)


def prepare_brain_examples(data: Path, work: Path, progress: Progress) -> list[Example]:
    """Heads on the 2 mm grid with their brain masks as labels; those that are prepared already are kept.

    Args:
        data: real datasets. A scan counts when it has a manual brain mask or is brain-extracted.
        work: holds ``datasets/synthetic-*``; examples go to ``work/brain-examples``.
    """
    out = work / "brain-examples"
    scans = [*_masked(data), *_extracted(data), *_synthetic(work / "datasets")]
    for k, (image_file, mask_file, site) in enumerate(scans):
        progress.stage("preparing heads", k / len(scans))
        folder = out / site / image_file.name.removesuffix(".nii.gz")
        if not (folder / "example.json").exists():
            _prepare(image_file, mask_file, folder, site)
    return read_examples(out)


def train_brain_model(data: Path, work: Path, progress: Progress) -> Path:
    """Train the brain extraction network and store it below ``work/models``; a finished one is kept."""
    finished = work / "models" / MODEL
    if finished.exists():
        return finished
    examples = prepare_brain_examples(data, work, progress)
    recipe = RECIPES["brain"]
    card = ModelCard(
        name=MODEL,
        task="brain",
        architecture=ARCHITECTURE,
        channels=("head",),
        spacing_mm=SPACING_MM,
        recipe=recipe.as_dict(),
        training={"examples": len(examples), "fingerprint": fingerprint(examples)},
    )
    return train_and_store(card, recipe, PatchSource(examples, recipe), work, progress)


Head = tuple[Path, Path | None, str]


def _masked(data: Path) -> Iterator[Head]:
    for mask in sorted(data.glob("*/derivatives/manual/sub-*/**/*_label-brain_mask.nii.gz")):
        subject = mask.name.split("_")[0]
        site = mask.relative_to(data).parts[0]
        if subject in LEAVE_OUT:
            continue
        pattern = (
            f"**/{subject}*_space-common_FLAIR.nii.gz"
            if "_space-common" in mask.name
            else f"{subject}/anat/*.nii.gz"
        )
        for image in sorted((data / site).glob(pattern)):
            yield image, mask, site


def _extracted(data: Path) -> Iterator[Head]:
    for site in ("openms_cross", "brats"):
        for image in sorted((data / site).glob("sub-*/anat/*.nii.gz")):
            yield image, None, site


def _synthetic(datasets: Path) -> Iterator[Head]:
    for image in sorted(datasets.glob("synthetic-*/sub-*/anat/*_FLAIR.nii.gz")):
        dataset = image.parents[2]
        name = image.name.removesuffix("_FLAIR.nii.gz")
        yield (
            image,
            dataset / "derivatives/manual" / name / "anat" / f"{name}_label-brain_mask.nii.gz",
            dataset.name,
        )


def _prepare(image_file: Path, mask_file: Path | None, folder: Path, site: str) -> None:
    image = read_scan(image_file).image
    if mask_file is None:
        if not looks_stripped(image):
            return
        mask = close_sulci(np.asarray(image.dataobj) > 0, image)
    else:
        mask = np.asarray(read_mask(mask_file, image).dataobj) > 0
    head = to_network_grid(image, SPACING_MM)
    soft = nib.Nifti1Image(mask.astype(np.float32), image.affine)
    label = np.asarray(resample_from_to(soft, (head.shape, head.affine), order=1).dataobj).clip(0, 1)
    picture = normalise_head(np.asarray(head.dataobj))[None]
    everywhere = np.ones_like(label)  # patches may lie anywhere in the head, not only in the brain
    write_example(folder, picture, label, everywhere, site=site, weight=WEIGHTS.get(site, 1.0))
