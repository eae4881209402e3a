"""Small synthetic heads, the same patient on any grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

PATIENT_NAME = "DOE^JOHN"


@dataclass(frozen=True)
class Head:
    """A brain-extracted FLAIR phantom and what is true about it, all on one grid."""

    flair: nib.Nifti1Image
    lesions: nib.Nifti1Image
    brain: nib.Nifti1Image

    def save(self, folder: Path, name: str = "sub-01_FLAIR.nii.gz") -> Path:
        """Write the FLAIR, with a patient's name in every text field of its header."""
        flair = nib.Nifti1Image(np.asarray(self.flair.dataobj, np.float32), self.flair.affine)
        flair.set_sform(self.flair.affine, 1)
        flair.set_qform(self.flair.affine, 1)
        flair.header.set_xyzt_units("mm")
        for entry in ("descrip", "aux_file", "db_name", "intent_name"):
            flair.header[entry] = PATIENT_NAME.encode()
        flair.header.extensions.append(nib.nifti1.Nifti1Extension("comment", PATIENT_NAME.encode()))
        folder.mkdir(parents=True, exist_ok=True)
        nib.save(flair, folder / name)
        return folder / name


def make_head(affine: np.ndarray, shape: tuple[int, int, int], seed: int = 0) -> Head:
    """An ellipsoid brain of 380 ml with cortex, white matter, ventricles and bright lesions.

    It lies around the RAS origin whatever the grid, so every grid shows the same patient. It is too small to be
    given regions, and so shaped that the atlas' brain fits it at the first attempt, which saves time.
    """
    rng = np.random.default_rng(seed)
    x, y, z = np.moveaxis(nib.affines.apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1)), -1, 0)
    depth = 1 - np.sqrt((x / 42) ** 2 + (y / 51.3) ** 2 + (z / 41.5) ** 2)
    brain = depth > 0
    ventricles = (
        np.minimum(*(((x - side * 8) / 5) ** 2 + (y / 20) ** 2 + (z / 9) ** 2 for side in (-1, 1))) < 1
    )
    values = np.select([depth < 0.06, depth < 0.16], [40.0, 135.0], 110.0)
    values[ventricles] = 30.0
    lesions = np.zeros(shape, bool)
    for cx, cy, cz, radius in ((18, 8, 4, 5), (-19, -9, 8, 7), (16, -22, -6, 5), (-12, 30, 8, 5)):
        lesions |= ((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 < radius**2) & ~ventricles
    values[lesions] = 185.0
    values = np.where(brain, values + np.clip(rng.normal(0, 2, shape), -4, 4), 0.0)
    return Head(
        nib.Nifti1Image(values.astype(np.float32), affine),
        nib.Nifti1Image(lesions.astype(np.uint8), affine),
        nib.Nifti1Image(brain.astype(np.uint8), affine),
    )


def centred(
    spacing: tuple[float, float, float], rotation: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """The affine of a grid with the RAS origin in its middle."""
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag(spacing)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine
