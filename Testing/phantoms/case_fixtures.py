"""Small examinations to make training cases of."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.cases.adding import AddedCase, AddRequest, add_case
from MSLesionSegLib.files.zip_archive import MANIFEST
from phantoms.phantom import Head, centred, make_head

SHAPE = (40, 46, 38)
LAS = centred((3, 3, 3), np.diag([-1.0, 1.0, 1.0]), SHAPE)


def examination(folder: Path, seed: int, affine: np.ndarray = LAS) -> tuple[Path, Path, Head]:
    """Write a FLAIR with a patient's name in its header, and its mask; return both and what is true."""
    head = make_head(affine, SHAPE, seed)
    flair = head.save(folder, f"DOE_JOHN_{seed}_FLAIR.nii.gz")
    mask = folder / f"mask_{seed}.nii.gz"
    nib.save(head.lesions, mask)
    return flair, mask, head


def save_like(image: nib.Nifti1Image, data: np.ndarray, path: Path) -> Path:
    """Write a mask on an image's grid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data.astype(np.uint8), image.affine), path)
    return path


def add_flair(cases: Path, folder: Path, seed: int, **settings: object) -> AddedCase:
    """Add the examination of a seed to a set."""
    flair, mask, _ = examination(folder, seed)
    return add_case(AddRequest(cases, "flair", {"flair": flair}, mask, **settings))


def repacked(archive: Path, change: Callable[[dict, dict], None]) -> Path:
    """The archive with its entries and manifest changed by ``change(entries, manifest)``."""
    with zipfile.ZipFile(archive) as packed:
        entries = {name: packed.read(name) for name in packed.namelist()}
    manifest = json.loads(entries.pop(MANIFEST))
    change(entries, manifest)
    target = archive.with_name("changed.zip")
    with zipfile.ZipFile(target, "w") as packed:
        packed.writestr(MANIFEST, json.dumps(manifest))
        for name, content in entries.items():
            packed.writestr(name, content)
    return target


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}
