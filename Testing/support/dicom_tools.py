"""Programs of others that read and check DICOM."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest


def program(name: str) -> str:
    """The path of a program; the test is skipped where it is not installed."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(name: str, *arguments: object) -> str:
    """What a program prints; it must end well."""
    done = subprocess.run([program(name), *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def errors_in(file: Path) -> list[str]:
    """What dciodvfy finds wrong in an object, beside warnings."""
    done = subprocess.run([program("dciodvfy"), str(file)], capture_output=True, text=True)
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]


def segments_as_read(file: Path, folder: Path) -> tuple[nib.Nifti1Image, list[dict]]:
    """Labels of a DICOM Segmentation as dcmqi reads them, and what it reads about each segment."""
    folder.mkdir()
    run(
        *("segimage2itkimage", "--inputDICOM", file, "--outputDirectory", folder),
        *("--outputType", "nifti", "--mergeSegments"),
    )
    (image,) = folder.glob("*.nii.gz")
    told = json.loads((folder / "meta.json").read_text())["segmentAttributes"]
    return nib.load(image), [segment for group in told for segment in group]


def placed(image: nib.Nifti1Image, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Labels on a larger grid whose voxels they must share."""
    there = nib.affines.apply_affine(np.linalg.inv(affine) @ image.affine, np.argwhere(image.dataobj))
    assert np.abs(there - np.rint(there)).max() < 0.01
    labels = np.zeros(shape, int)
    labels[tuple(np.rint(there).astype(int).T)] = np.asarray(image.dataobj)[np.nonzero(image.dataobj)]
    return labels
