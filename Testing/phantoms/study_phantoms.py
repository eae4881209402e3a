"""Tiny synthetic centres: BIDS datasets, and prepared examples, of a few small patients each."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.training.examples.example import Example, read_examples, write_example
from phantoms.phantom import centred, make_head

VOXEL_MM = 1.5


def write_centre(folder: Path, patients: int, seed: int = 0, readers: bool = False) -> Path:
    """A BIDS dataset of brain-extracted phantoms with lesion masks, and masks of a second reader if asked.

    The heads are half as large as those of the other tests, so that networks are done with them in no time.
    """
    shape = (34, 40, 30)
    affine = centred((VOXEL_MM,) * 3, np.eye(3), shape)
    for k in range(patients):
        head = make_head(centred((3.2,) * 3, np.eye(3), shape), shape, seed=100 * seed + k)
        name = f"sub-{folder.name}{k:02d}"
        image = folder / name / "anat" / f"{name}_FLAIR.nii.gz"
        masks = folder / "derivatives" / "manual" / name / "anat"
        for parent in (image.parent, masks):
            parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(head.flair.dataobj, affine), image)
        lesions = np.asarray(head.lesions.dataobj)
        nib.save(nib.Nifti1Image(lesions, affine), masks / f"{name}_label-lesion_mask.nii.gz")
        if readers:
            second = lesions.copy()
            second[: shape[0] // 2] = 0
            file = masks / f"{name}_desc-reader2_label-lesion_mask.nii.gz"
            nib.save(nib.Nifti1Image(second, affine), file)
    return folder


def write_examples(folder: Path, patients: int, seed: int = 0, contrast: float = 3.0) -> list[Example]:
    """Prepared examples of 40 voxels per edge: noise with two lesions of ``contrast`` z-scores (may be dark)."""
    for k in range(patients):
        rng = np.random.default_rng([seed, k])
        label = np.zeros((40, 40, 40), np.float32)
        for _ in range(2):
            x, y, z = rng.integers(8, 26, 3)
            label[x : x + 7, y : y + 7, z : z + 7] = 1
        image = rng.normal(0, 0.4, (1, 40, 40, 40)).astype(np.float32) + contrast * label
        write_example(
            folder / f"sub-{folder.name}{k:02d}", image, label, np.ones_like(label), site=folder.name
        )
    return read_examples(folder)
