"""Synthetic patients of full size. They take long to make, so that all processes of a test run share them."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib

from MSLesionSegLib.files.lock import lock
from MSLesionSegLib.synthesis.patient import SyntheticPatient, synthetic_patient

SEED, LESIONS = 7, 14  # those of the demo and of Slicer's sample data
THICK = (0.9, 0.9, 5.0)
PARTS = ("flair", "mask", "brain")


def shared_patient(
    own_folder: Path, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> SyntheticPatient:
    """The patient on voxels of ``spacing`` mm, made by the process that asks first.

    Args:
        own_folder: of this process; those of the others lie beside it.
    """
    home = own_folder.parent if "PYTEST_XDIST_WORKER" in os.environ else own_folder
    folder = home / f"synthetic-{spacing[2]:g}"
    folder.mkdir(exist_ok=True)
    with lock(folder / ".lock", wait_s=300):
        if not (folder / f"{PARTS[-1]}.nii").exists():
            made = synthetic_patient(SEED, lesions=LESIONS, spacing=spacing)
            for part in PARTS:
                nib.save(getattr(made, part), folder / f"{part}.nii")
    return SyntheticPatient(*(nib.load(folder / f"{part}.nii") for part in PARTS))
