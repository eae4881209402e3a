"""Two visits of the phantom, on different grids, and stand-ins for the networks that compare them.

Change is what is much brighter on one side, a lesion is what is bright.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import save_model
from MSLesionSegLib.network.sliding_window import Prediction
from MSLesionSegLib.segmentation.longitudinal import comparison as change
from MSLesionSegLib.segmentation.probability import LesionProbability, network_input
from phantoms.phantom import Head, centred, make_head

SHAPES = {"baseline": (60, 70, 40), "followup": (56, 66, 50)}
AFFINES = {
    "baseline": centred((2, 2, 3), np.diag([-1, -1, 1]), SHAPES["baseline"]),
    "followup": centred((2.2, 2.2, 2.4), nib.eulerangles.euler2mat(0.05, -0.03, 0.04), SHAPES["followup"]),
}
LESIONS_OF_THE_PHANTOM = 4


def scan(point: str, *spots: tuple[float, float, float, float], brightness: float = 330) -> Head:
    """The phantom, whose four lesions never change, with further spots (x, y, z, radius) of a brightness."""
    head = make_head(AFFINES[point], SHAPES[point], seed=len(point))
    places = nib.affines.apply_affine(AFFINES[point], np.moveaxis(np.indices(SHAPES[point]), 0, -1))
    data = np.asarray(head.flair.dataobj).copy()
    for *centre, radius in spots:
        data[((places - centre) ** 2).sum(-1) < radius**2] = brightness
    return Head(nib.Nifti1Image(data, AFFINES[point]), head.lesions, head.brain)


NEW_AT, GONE_AT = (-20.0, 18.0, -4.0, 6.0), (22.0, -20.0, 12.0, 6.0)


def use_stand_ins(models_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the models ``tiny`` and ``tiny-new`` into ``folder``; rules on brightness replace their networks."""
    shutil.copytree(models_folder, folder)
    architecture = Architecture(kind="unet", levels=3, feature_maps=4)
    card = ModelCard("tiny-new", "new", architecture, ("subtraction",), spacing_mm=2.0, minimum_mm3=30.0)
    save_model(folder, build(architecture), card)

    def rule(model, channels, brain, **_):
        found = 1 / (1 + np.exp(-6 * (channels[0].astype(float) - 2.5))) * (brain > 0)
        return Prediction(found.astype(np.float32))

    def bright(model, images, brain, **_):
        data, inside = np.asarray(images[0].dataobj), np.asarray(brain.dataobj) > 0
        level = np.median(data[inside])
        found = np.clip((data / level - 1.3) * 2.5, 0, 1) * inside
        return LesionProbability(found.astype(np.float32), None, network_input(images, brain))

    monkeypatch.setattr(change, "predict", rule)
    monkeypatch.setattr(change, "lesion_probability", bright)
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(folder))
