"""Round brains: BIDS datasets of a small hospital, with one round lesion each, and the label map of a head."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

AFFINE = np.diag([1.5, 1.5, 3.0, 1.0])


def add_patient(dataset: Path, name: str, seed: int = 0) -> Path:
    """Write a brain-extracted FLAIR with its lesion and brain masks; return the folder of the masks."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in (80, 90, 40)], indexing="ij"))
    brain = (grid**2).sum(0) < 0.8
    lesion = ((grid - np.array([0.3, 0.1, 0.0])[:, None, None, None]) ** 2).sum(0) < 0.01
    flair = (300 + rng.normal(0, 10, brain.shape) + 200 * lesion) * brain
    anat = dataset / name / "anat"
    manual = dataset / "derivatives" / "manual" / name / "anat"
    for folder in (anat, manual):
        folder.mkdir(parents=True)
    nib.save(nib.Nifti1Image(flair.astype(np.float32), AFFINE), anat / f"{name}_FLAIR.nii.gz")
    for label, mask in (("lesion", lesion), ("brain", brain)):
        image = nib.Nifti1Image(mask.astype(np.uint8), AFFINE)
        nib.save(image, manual / f"{name}_label-{label}_mask.nii.gz")
    return manual


def shells() -> nib.Nifti1Image:
    """A head of balls in balls: skin, bone, fluid, cortex, white matter with lesions of its own, ventricles."""
    grid = np.indices((72, 72, 72)) - 36
    radius = np.sqrt((grid**2).sum(0))
    numbers = np.zeros(radius.shape, np.int16)
    left = grid[0] < 0
    for outer, pair in ((34, (511, 511)), (31, (515, 515)), (28, (24, 24)), (26, (3, 42)), (22, (2, 41))):
        numbers[radius < outer] = np.where(left, *pair)[radius < outer]
    numbers[np.abs(radius - 16) < 1] = np.where(left, 25, 57)[np.abs(radius - 16) < 1]
    numbers[radius < 8] = np.where(left, 4, 43)[radius < 8]
    return nib.Nifti1Image(numbers, np.eye(4))
