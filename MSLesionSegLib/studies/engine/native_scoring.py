"""Cells that train a network and score it on whole scans, voxel by voxel and lesion by lesion, in native space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.studies.engine.cells import CellContext, known_as

if TYPE_CHECKING:
    from MSLesionSegLib.network.models.store import Model


@known_as("MSLesionSegLib.studies.transfer_cells.train_and_test")
def train_and_test(settings: dict[str, Any], files: dict[str, str], context: CellContext) -> dict[str, Any]:
    """Train one network (unless there is no recipe) and score it on its test scans in native space."""
    from MSLesionSegLib.studies.engine.networks import keep_network, started_network, train
    from MSLesionSegLib.studies.engine.recipes import stored_recipe

    architecture = Architecture.from_dict(settings["architecture"])
    model = started_network(architecture, settings["start"], files, context, settings["seed"])
    if settings["recipe"] is not None:
        folders = [files[f"example:{case['site']}/{case['name']}"] for case in settings["train"]]
        model = train(model, folders, stored_recipe(settings["recipe"]), context)
    if settings["keep"]:
        keep_network(model, context)
    return {
        "scans": [_score(model, case, files, settings["threshold"], context) for case in settings["test"]]
    }


@known_as("MSLesionSegLib.studies.transfer_cells.score_reader")
def score_reader(settings: dict[str, Any], files: dict[str, str], context: CellContext) -> dict[str, Any]:
    """Score the masks of a second reader against those of the first."""
    from MSLesionSegLib.imaging.reading import read_mask

    scans = []
    for case in settings["test"]:
        image, reference = _scan(case, files)
        second = files.get(f"second:{case['site']}/{case['name']}")
        if second:
            mask = np.asarray(read_mask(Path(second), image).dataobj)
            scans.append({"site": case["site"], "name": case["name"], **_numbers(mask, reference)})
    return {"scans": scans}


def _scan(case: Mapping[str, str], files: Mapping[str, str]) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    from MSLesionSegLib.imaging.reading import read_mask, read_scan

    key = f"{case['site']}/{case['name']}"
    image = read_scan(Path(files[f"scan:{key}"])).image
    return image, read_mask(Path(files[f"mask:{key}"]), image)


def _score(
    model: Model, case: Mapping[str, str], files: Mapping[str, str], threshold: float, context: CellContext
) -> dict[str, Any]:
    from MSLesionSegLib.imaging.reading import read_mask
    from MSLesionSegLib.imaging.writing import save_in_folder
    from MSLesionSegLib.segmentation.probability import lesion_probability

    image, reference = _scan(case, files)
    brain = read_mask(Path(files[f"brain:{case['site']}/{case['name']}"]), image)
    found = lesion_probability(model, [image], brain, progress=context.progress)
    mask = (found.probability >= threshold).astype(np.uint8)
    target = mask_file(context.out, case)
    save_in_folder(target.parent, {target.name: (mask, image)})
    return {"site": case["site"], "name": case["name"], **_numbers(mask, reference)}


def mask_file(folder: Path, case: Mapping[str, str]) -> Path:
    """Where a cell's folder keeps what was found on a scan: sites may have cases of the same name."""
    return folder / "masks" / case["site"] / f"{case['name']}_mask.nii.gz"


def _numbers(mask: np.ndarray, reference: nib.Nifti1Image) -> dict[str, Any]:
    from MSLesionSegLib.evaluation.metrics import compare_masks

    spacing = nib.affines.voxel_sizes(reference.affine)
    metrics = compare_masks(mask, np.asarray(reference.dataobj), spacing)
    return {name: value for name, value in asdict(metrics).items() if name != "preset"}
