"""From a BIDS dataset of scans and masks to training examples on the network grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to
from scipy import ndimage

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.files.checksums import files_sha256
from MSLesionSegLib.imaging.grid import to_native_grid, to_network_grid
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.segmentation.probability import NetworkInput, network_input
from MSLesionSegLib.synthesis.lesions import remove_lesions
from MSLesionSegLib.training.examples.example import Example, read_examples, write_example


@dataclass(frozen=True)
class TrainingScan:
    """A FLAIR with its manual mask.

    Attributes:
        name: subject (and session).
        image, mask: files; for tumour cases the mask may have several labels, all nonzero ones count.
        focus: mask file of bright tissue that is normal, or None.
        site: name of the dataset folder.
    """

    name: str
    image: Path
    mask: Path
    focus: Path | None
    site: str

    @property
    def sha256(self) -> str:
        """Of its files' content."""
        return files_sha256(file for file in (self.image, self.mask, self.focus) if file)


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
            normal = folder / f"{stem}_label-normalwmh_mask.nii.gz"
            yield TrainingScan(
                name=stem,
                image=image,
                mask=masks[0],
                focus=normal if normal.exists() else None,
                site=dataset.name,
            )


Healing = Literal["paint", "cut"]
_MARGIN_MM = 10.0


def prepare_scan(scan: TrainingScan, folder: Path, healing: Healing | None = None) -> Example:
    """Write one scan as a training example: 1 mm RAS, brain-masked, z-scored, cropped to the brain.

    Args:
        scan: files.
        folder: where the example goes.
        healing: store a lesion-free example: ``paint`` the lesions over (small ones), or ``cut`` them and what is
            around them out of the brain (tumours).

    Raises:
        ImageError: unreadable files, or a mask on another grid.
    """
    image = read_scan(scan.image).image
    mask = read_mask(scan.mask, image)
    brain = brain_mask(image)  # never a manual one: training must see what use will see
    focus = read_mask(scan.focus, image) if scan.focus else None
    if healing == "paint":
        image, focus = paint_over(image, mask, brain), mask
    elif healing == "cut":
        brain = cut_out(mask, brain)
    seen = network_input([image], brain)
    label = fractions(mask, seen) * (0 if healing else 1)
    attention = None if focus is None else fractions(focus, seen)
    return write_example(
        folder, seen.channels, label, seen.brain, site=scan.site, source=scan.sha256, focus=attention
    )


def paint_over(
    image: nib.Nifti1Image, mask: nib.Nifti1Image, brain: nib.Nifti1Image, seed: int = 0
) -> nib.Nifti1Image:
    """The scan without its lesions, on its own grid: what painting changes at 1 mm is added to the native voxels.

    Args:
        image, mask, brain: on one grid.
        seed: of the painted texture's noise.
    """
    volume = to_network_grid(image)
    lesions, inside = (
        np.asarray(resample_from_to(_soft(m), (volume.shape, volume.affine), order=1).dataobj)
        for m in (mask, brain)
    )
    before = np.asarray(volume.dataobj)
    healed = remove_lesions(before, lesions, inside > 0.5, np.random.default_rng(seed))
    change = to_native_grid(nib.Nifti1Image(healed - before, volume.affine), image)
    return nib.Nifti1Image(np.asarray(image.dataobj) + np.asarray(change.dataobj), image.affine, image.header)


def cut_out(mask: nib.Nifti1Image, brain: nib.Nifti1Image) -> nib.Nifti1Image:
    """The brain mask without the lesions and 10 mm around them; what is left is normal tissue."""
    lesions = np.asarray(mask.dataobj) > 0
    far = ndimage.distance_transform_edt(~lesions, sampling=mask.header.get_zooms()[:3]) > _MARGIN_MM
    return nib.Nifti1Image(((np.asarray(brain.dataobj) > 0) & far).astype(np.uint8), brain.affine)


def prepare_dataset(
    dataset: Path, out: Path, *, healing: Healing | None = None, progress: Progress | None = None
) -> list[Example]:
    """Prepare every scan of a dataset; those that are prepared already are kept as long as their files are the same.

    A scan that cannot be used is reported as a warning and left out.
    """
    progress = progress or Silent()
    scans = list(find_scans(dataset))
    examples = []
    for k, scan in enumerate(scans):
        progress.stage("preparing cases", k / len(scans))
        folder = out / (f"{scan.name}_healthy" if healing else scan.name)
        ready = read_examples(folder)
        if ready and ready[0].source == scan.sha256:
            examples.append(ready[0])
            continue
        if ready and ready[0].source:
            progress.warning("changed-input", f"The files of {scan.name} have changed: it is prepared again.")
        try:
            examples.append(prepare_scan(scan, folder, healing))
        except MSLesionSegError as error:
            progress.warning(error.code, f"{scan.name} is left out: {error}")
    return examples


def fractions(mask: nib.Nifti1Image, seen: NetworkInput) -> np.ndarray:
    """A (soft) mask as fractions in [0, 1] on the network's grid, 0 outside the brain."""
    grid = (seen.brain.shape, seen.affine)
    return np.asarray(resample_from_to(_soft(mask), grid, order=1).dataobj).clip(0, 1) * seen.brain


def _soft(mask: nib.Nifti1Image) -> nib.Nifti1Image:
    return nib.Nifti1Image(np.asarray(mask.dataobj).astype(np.float32), mask.affine)
