"""A comparison of two scans as the core leaves it in a result folder, made up so that it takes no time."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import scene as harness
import SimpleITK as sitk

from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.imaging.writing import save_image
from MSLesionSegLib.lesions.atlas import CORTEX, VENTRICLES, WHITE_MATTER
from MSLesionSegLib.tasks import TASKS
from phantoms.hospital import save_patient

SHIFT_LPS = (4.0, -3.0, 2.0)
REGIONS_AFFINE = np.array([[2.0, 0, 0, -60], [0, 2, 0, -60], [0, 0, 2, -60], [0, 0, 0, 1]])


def compared(folder: Path, *, withheld: bool = False, regions: bool = False) -> tuple[dict, dict, Path]:
    """Two scans in the scene and a result folder with a new lesion, a stable one and a vanished one."""
    files = {name: folder / f"{name}_FLAIR.nii.gz" for name in ("baseline", "followup")}
    lesions = {name: save_patient(path, "LAS", seed=n) for n, (name, path) in enumerate(files.items())}
    nodes = {name: harness.loadVolume(path) for name, path in files.items()}
    grid = nib.load(files["followup"])
    labels, _ = nib_labels(lesions["followup"])
    states = np.zeros(labels.shape, np.uint8)
    for number, state in ((1, "new"), (2, "stable"), (3, "vanished")):
        states[labels == number] = 1 + TASKS["new"].states.index(state)
    result = folder / "result"
    result.mkdir()
    names = {
        "followup_probability": "probability.nii.gz",
        "followup_mask": "mask.nii.gz",
        "followup_states": "states.nii.gz",
        "baseline_lesions": "baseline_lesions.nii.gz",
        "subtraction": "subtraction.nii.gz",
        "transform": "transform.tfm",
    }
    save_image(
        np.where(labels == 1, 0.9, 0.05).astype(np.float32), grid, result / names["followup_probability"]
    )
    save_image((labels == 1).astype(np.uint8), grid, result / names["followup_mask"])
    save_image(states, grid, result / names["followup_states"])
    save_image(np.zeros(labels.shape, np.float32), nib.load(files["baseline"]), result / names["subtraction"])
    save_image(
        (lesions["baseline"] > 0).astype(np.uint8),
        nib.load(files["baseline"]),
        result / names["baseline_lesions"],
    )
    if regions:
        names["regions"] = "regions.nii.gz"
        labels = np.full((60, 60, 60), WHITE_MATTER, np.uint8)
        labels[25:35, 25:35, 25:35] = VENTRICLES
        labels[:3] = CORTEX
        save_image(labels, nib.Nifti1Image(labels, REGIONS_AFFINE), result / names["regions"])
    sitk.WriteTransform(sitk.TranslationTransform(3, SHIFT_LPS), str(result / names["transform"]))
    checks = [
        {"light": "red" if withheld else "amber", "sentence": "The slices are too thick."},
        {"light": "green", "sentence": "Fine."},
    ]
    manifest = {
        "task": "new",
        "created": folder.name,
        "inputs": {
            name: {"sha256": file_sha256(path), "shape": nib.load(path).shape} for name, path in files.items()
        },
        "model": {"name": "new-ms", "weights_sha256": "0"},
        "settings": {"threshold": 0.5, "minimum_mm3": 0.0, "minimum_peak": 0.0, "device": "cpu"},
        "comparability": {"counts": "withheld" if withheld else "given", "checks": checks},
        "findings": [],
        "files": names,
    }
    (result / "result.json").write_text(json.dumps(manifest))
    return nodes, files, result


def nib_labels(mask: np.ndarray):
    from MSLesionSegLib.lesions.components import label_components

    return label_components(mask)
