"""Synthetic patients of twenty different heads, from the anatomical label maps of SynthSeg (Billot et al. 2023)."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.synthesis.dataset import MIXTURES, write_patient
from MSLesionSegLib.synthesis.label_map import label_map_patient
from MSLesionSegLib.synthesis.lesions import Shape

# brain-extracted: with lesions, without, with other lesions; and whole heads for the brain network, half of them in
# random contrasts
KINDS = ("ms", "healthy", "heads", "other")
THICK_SHARE = 0.4
MOST_LESIONS = 49


def write_label_map_patients(maps: Path, datasets: Path, shapes: Shape | None, progress: Progress) -> None:
    """Write a patient of each kind for each label map into ``datasets/synthetic-map-KIND``; those there are kept.

    Raises:
        SettingsError: there are no label maps.
    """
    files = sorted(maps.glob("labels_*.nii.gz"))
    if not files:
        raise SettingsError(f"There are no label maps (labels_*.nii.gz) in {maps}.")
    for number, kind in enumerate(KINDS):
        folder = datasets / f"synthetic-map-{kind}"
        for k, file in enumerate(files):
            progress.stage("synthetic patients", (number + k / len(files)) / len(KINDS))
            name = f"sub-{kind}{file.name.removeprefix('labels_').removesuffix('.nii.gz')}"
            if (folder / name / "anat" / f"{name}_FLAIR.nii.gz").exists():
                continue
            rng = np.random.default_rng([number, k])
            thick = rng.random() < THICK_SHARE
            pathology, most = "ms", MOST_LESIONS if kind == "ms" else 0
            if kind == "other":
                pathology, most, _ = MIXTURES["other"][k % 3]
            patient = label_map_patient(
                nib.Nifti1Image.from_filename(file),
                int(rng.integers(2**31)),
                lesions=int(rng.integers(1, most + 1)) if most else 0,
                spacing=(rng.uniform(0.7, 1.0),) * 2 + (rng.uniform(3, 7),) if thick else (1.0, 1.0, 1.0),
                skull=kind == "heads",
                look="random" if kind == "heads" and k % 2 else "flair",
                pathology=pathology,
                shapes=shapes if pathology == "ms" else None,
            )
            write_patient(folder, name, patient)
