"""From a BIDS dataset of scans and masks to training examples on the network grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.imaging.grid import to_network_grid
from MSLesionSegLib.imaging.normalise import zscore
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.progress import Progress, Silent
from MSLesionSegLib.synthesis.lesions import remove_lesions
from MSLesionSegLib.training.examples import Example, write_example

MARGIN = 6  # voxels kept around the brain


@dataclass(frozen=True)
class TrainingScan:
    """A FLAIR with its manual mask.

    Attributes:
        name: subject (and session).
        image, mask: files; for tumour cases the mask may have several labels, all nonzero ones count.
        brain: manual brain mask file, or None.
        focus: mask file of bright tissue that is normal, or None.
        site: name of the dataset folder.
    """

    name: str
    image: Path
    mask: Path
    brain: Path | None
    focus: Path | None
    site: str


def find_scans(dataset: Path) -> Iterator[TrainingScan]:
    """All FLAIRs of a BIDS dataset that have a lesion or tumour mask under ``derivatives/manual``."""
    manual = dataset / "derivatives" / "manual"
    for image in sorted(dataset.glob("sub-*/**/anat/*_FLAIR.nii.gz")):
        folder = manual / image.parent.relative_to(dataset)
        stem = image.name.removesuffix("_FLAIR.nii.gz")
        masks = [
            file
            for label in ("lesion_mask", "tumour_dseg")
            for file in (
                folder / f"{stem}_label-{label}.nii.gz",
                folder / f"{stem.split('_space')[0]}_label-{label}.nii.gz",
            )
            if file.exists()
        ]
        if masks:
            brain, normal = (folder / f"{stem}_label-{label}_mask.nii.gz" for label in ("brain", "normalwmh"))
            yield TrainingScan(
                name=stem,
                image=image,
                mask=masks[0],
                brain=brain if brain.exists() else None,
                focus=normal if normal.exists() else None,
                site=dataset.name,
            )


def prepare_scan(scan: TrainingScan, folder: Path, *, weight: float = 1.0, healthy: bool = False) -> Example:
    """Write one scan as a training example: 1 mm RAS, brain-masked, z-scored, cropped to the brain.

    Args:
        scan: files.
        folder: where the example goes.
        weight: how often it is drawn.
        healthy: paint the lesions over and store a lesion-free example.

    Raises:
        ImageError: unreadable files, or a mask on another grid.
    """
    image = read_scan(scan.image).image
    mask = read_mask(scan.mask, image)
    brain = read_mask(scan.brain, image) if scan.brain else brain_mask(image)
    volume = to_network_grid(image)
    label, inside = (_on_grid(part, volume) for part in (mask, brain))
    focus = _on_grid(read_mask(scan.focus, image), volume) if scan.focus else np.zeros_like(label)
    inside = inside > 0.5
    flair = np.asarray(volume.dataobj)
    if healthy:
        flair = remove_lesions(flair, label, inside, np.random.default_rng(0))
        focus, label = np.maximum(focus, label), np.zeros_like(label)
    flair = zscore(flair, inside)
    box = tuple(
        slice(max(int(low) - MARGIN, 0), int(high) + MARGIN + 1)
        for low, high in zip(np.argwhere(inside).min(0), np.argwhere(inside).max(0), strict=True)
    )
    return write_example(
        folder,
        flair[box][None],
        (label * inside)[box],
        inside[box],
        site=scan.site,
        weight=weight,
        focus=(focus * inside)[box],
    )


def prepare_dataset(
    dataset: Path, out: Path, *, weight: float = 1.0, healthy: bool = False, progress: Progress | None = None
) -> list[Example]:
    """Prepare every scan of a dataset; those that are prepared already are kept.

    A scan that cannot be used is reported as a warning and left out.
    """
    progress = progress or Silent()
    scans = list(find_scans(dataset))
    examples = []
    for k, scan in enumerate(scans):
        progress.stage("preparing cases", k / len(scans))
        folder = out / (f"{scan.name}_healthy" if healthy else scan.name)
        if (folder / "example.json").exists():
            examples.append(Example(folder, scan.site, weight))
            continue
        try:
            examples.append(prepare_scan(scan, folder, weight=weight, healthy=healthy))
        except MSLesionSegError as error:
            progress.warning(error.code, f"{scan.name} is left out: {error}")
    return examples


def _on_grid(mask: nib.Nifti1Image, reference: nib.Nifti1Image) -> np.ndarray:
    """A mask as fractions in [0, 1] on the reference's grid."""
    soft = nib.Nifti1Image(np.asarray(mask.dataobj).astype(np.float32), mask.affine)
    return np.asarray(resample_from_to(soft, (reference.shape, reference.affine), order=1).dataobj).clip(0, 1)
