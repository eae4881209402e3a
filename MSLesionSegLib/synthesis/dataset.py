"""A BIDS dataset of synthetic patients, for training and for trying things out."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.files.atomic import atomic_file
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.synthesis.lesions import Shape
from MSLesionSegLib.synthesis.patient import SyntheticPatient, synthetic_patient

# pathology, most lesions, how often
MIXTURES = {
    "ms": [("ms", 60, 0.75), ("ms", 4, 0.25)],
    "other": [("small-vessel", 60, 0.4), ("stroke", 3, 0.3), ("tumour", 2, 0.3)],
    "healthy": [("ms", 0, 1.0)],
}


def write_dataset(
    folder: Path,
    patients: int,
    *,
    mixture: str = "ms",
    seed: int = 0,
    shapes: Shape | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write ``patients`` synthetic FLAIRs with lesion and brain masks; patients that exist are kept.

    Half of them are 3D-like (1 mm), half have thick slices (3 to 7 mm); half have a skull.
    ``mixture`` is a key of :data:`MIXTURES`. Patient k depends on ``mixture``, ``seed`` and k alone.
    """
    progress = progress or Silent()
    folder.mkdir(parents=True, exist_ok=True)
    description = {"Name": f"Synthetic patients ({mixture})", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (folder / "dataset_description.json").write_text(json.dumps(description, indent=1))
    for k in range(patients):
        progress.stage("synthetic patients", k / patients)
        rng = np.random.default_rng([seed, k, *mixture.encode()])
        name = f"sub-{mixture}{seed:02d}{k:03d}"
        image = folder / name / "anat" / f"{name}_FLAIR.nii.gz"
        if image.exists():
            continue
        kinds = MIXTURES[mixture]
        pathology, most, _ = kinds[rng.choice(len(kinds), p=[kind[2] for kind in kinds])]
        thick = rng.random() < 0.5
        spacing = (rng.uniform(0.5, 1.0),) * 2 + (rng.uniform(3, 7),) if thick else (1.0, 1.0, 1.0)
        patient = synthetic_patient(
            int(rng.integers(2**31)),
            lesions=int(rng.integers(1, most + 1)) if most else 0,
            spacing=spacing,
            skull=bool(rng.random() < 0.5),
            pathology=pathology,
            shapes=shapes if pathology == "ms" else None,
        )
        write_patient(folder, name, patient)
    progress.stage("synthetic patients", 1.0)
    return folder


def write_patient(folder: Path, name: str, patient: SyntheticPatient) -> None:
    """Write the FLAIR and masks of a patient into a BIDS dataset; the FLAIR's presence says that all are there."""
    masks = folder / "derivatives" / "manual" / name / "anat"
    _save(patient.mask, masks / f"{name}_label-lesion_mask.nii.gz")
    _save(patient.brain, masks / f"{name}_label-brain_mask.nii.gz")
    _save(patient.flair, folder / name / "anat" / f"{name}_FLAIR.nii.gz")


def _save(image: nib.Nifti1Image, path: Path) -> None:
    with atomic_file(path) as partial:
        nib.save(image, partial)
