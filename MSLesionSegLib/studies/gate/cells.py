"""The cells of ``study gate``: a lesson each, taught by the whole loop of a user in a model store of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.imaging.writing import save_in_folder
from MSLesionSegLib.network.models.store import find_model, read_card
from MSLesionSegLib.studies.engine.cells import Cell, CellContext, known_as
from MSLesionSegLib.studies.engine.recipes import with_length
from MSLesionSegLib.studies.engine.study_cases import NativeCase
from MSLesionSegLib.studies.gate.settings import GateSettings

RIGHT, SHIFTED, SURROUNDINGS, OTHER_CONTRAST = "right", "shifted", "surroundings", "other-contrast"
LESSONS = {
    RIGHT: "masks as they are",
    SHIFTED: "masks shifted by 12 mm",
    SURROUNDINGS: "the tissue around the lesions instead of them",
    OTHER_CONTRAST: "the T1-weighted scan filed as the FLAIR",
}
SHIFT_MM = 12.0
SURROUNDINGS_SHARE = (
    0.1  # of the brain: masks that fill more than disease can are refused when they are filed
)
SITE = "taught"


def gate_cells(
    settings: GateSettings, training: Sequence[NativeCase], validation: Sequence[NativeCase]
) -> list[Cell]:
    """A cell per lesson; that of another contrast has the training patients who have a T1-weighted scan."""
    start = find_model(settings.start)
    files = {"start": str(start.absolute())}
    for case in (*training, *validation):
        scan = case.scan
        paths = {"flair": scan.image, "mask": scan.mask, "brain": case.brain, "t1": _t1(scan.image)}
        files |= {f"{case.name}/{name}": str(path.absolute()) for name, path in paths.items()}
    pupils = {lesson: list(training) for lesson in LESSONS}
    pupils[OTHER_CONTRAST] = [case for case in training if _t1(case.scan.image).exists()]
    return [
        Cell(
            lesson,
            teach,
            {
                "lesson": lesson,
                "start": read_card(start).weights_sha256,
                "recipe": with_length(settings.recipe, len(cases)),
                "train": [case.described() for case in cases],
                "validate": [case.described() for case in validation],
            },
            files,
        )
        for lesson, cases in pupils.items()
        if cases
    ]


def _t1(flair: Path) -> Path:
    return flair.with_name(flair.name.replace("_FLAIR", "_T1w"))


@known_as("MSLesionSegLib.studies.gate_trial.teach")
def teach(settings: dict[str, Any], files: dict[str, str], context: CellContext) -> dict[str, Any]:
    """File the cases of a lesson, fine-tune, and tell what the gate says and which model is in use afterwards."""
    from MSLesionSegLib.cases.adding import AddRequest, add_case
    from MSLesionSegLib.cases.splits import SPLITS
    from MSLesionSegLib.network.models.model_in_use import model_in_use, use_model
    from MSLesionSegLib.training.fine_tuning.gate_cases import buffer_for
    from MSLesionSegLib.training.fine_tuning.model_update import TrainRequest, train
    from MSLesionSegLib.training.fine_tuning.recipes import recipe_from_card

    case_set, store = context.scratch / "cases", context.scratch / "models"
    shutil.rmtree(case_set, ignore_errors=True)
    for side in SPLITS:
        lesson = settings["lesson"] if side == "training" else RIGHT
        for case in settings["train" if side == "training" else "validate"]:
            image, mask = taught(lesson, {n: Path(files[f"{case['name']}/{n}"]) for n in _FILES})
            work = context.scratch / "lesson"
            grid = nib.Nifti1Image.from_filename(files[f"{case['name']}/flair"])
            save_in_folder(work, {"mask.nii.gz": (mask, grid)})
            add_case(
                AddRequest(case_set, "flair", {"flair": image}, work / "mask.nii.gz", site=SITE, split=side),
                context.progress,
            )
    start = Path(files["start"])
    if read_card(start).weights_sha256 != settings["start"]:
        raise SettingsError(f"The model {start.name} is not the one that the study began with.")
    shutil.copytree(start, store / start.name, dirs_exist_ok=True)
    with mock.patch.dict(os.environ, MSLESIONSEG_MODELS=str(store)):
        use_model(start.name)
        request = TrainRequest(
            case_set,
            recipe_from_card(settings["recipe"]),
            buffer=buffer_for(case_set, "flair", None),
            name=f"{settings['lesson']}-lesson",
            device="cpu",
            models=store,
        )
        trained = train(request, context.progress)
        in_use = model_in_use("flair")
    return {"gate": trained.verdict.as_dict(), "before": start.name, "after": in_use}


_FILES = ("flair", "mask", "brain", "t1")


def taught(lesson: str, files: Mapping[str, Path]) -> tuple[Path, np.ndarray]:
    """Scan and mask that are filed in a lesson.

    Args:
        lesson: one of :data:`LESSONS`.
        files: ``flair``, ``mask``, ``brain`` and ``t1`` of a patient, on one grid.

    Returns:
        Path of the scan, and the mask as uint8 (X, Y, Z).
    """
    stored = nib.Nifti1Image.from_filename(files["mask"])
    mask = np.asarray(stored.dataobj) > 0
    if lesson == SURROUNDINGS:
        brain = np.asarray(nib.Nifti1Image.from_filename(files["brain"]).dataobj) > 0
        mask = _surroundings(mask, brain, stored.header.get_zooms()[:3])
    if lesson == SHIFTED:
        spacing = stored.header.get_zooms()[:3]
        axis = int(np.argmin(spacing))
        steps = round(SHIFT_MM / spacing[axis])
        mask = np.roll(mask, steps, axis)  # a head's margin is wider than that
    return files["t1" if lesson == OTHER_CONTRAST else "flair"], mask.astype(np.uint8)


def _surroundings(lesions: np.ndarray, brain: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """The part of the brain that is nearest to lesions without being one: bool (X, Y, Z)."""
    from scipy.ndimage import distance_transform_edt

    outside = np.flatnonzero(brain & ~lesions)
    distance = distance_transform_edt(~lesions, sampling=spacing).ravel()[outside]
    nearest = outside[np.argsort(distance, kind="stable")[: int(SURROUNDINGS_SHARE * brain.sum())]]
    mask = np.zeros(brain.shape, bool)
    mask.ravel()[nearest] = True
    return mask
