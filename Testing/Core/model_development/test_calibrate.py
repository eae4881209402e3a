"""What the measured maps teach stands on the model's card, and a page shows how well it holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from model_development.measuring.calibrate import calibrate
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.confidence import Confidence
from MSLesionSegLib.network.models.store import read_card, save_model
from phantoms.round_brains import add_patient


@pytest.fixture
def measured(tmp_path) -> tuple[Path, Path, Path]:
    """A model, datasets, and a study whose maps find large lesions and invent small ones."""
    torch.manual_seed(0)
    tiny = Architecture(feature_maps=4, levels=3)
    model = save_model(tmp_path, build(tiny), ModelCard("mine", "flair", tiny, ("FLAIR",)))
    data, work = tmp_path / "data", tmp_path / "work"
    for k in range(3):
        add_patient(data / "ms3seg", f"sub-{k}", k)
        (image,) = (data / "ms3seg").glob(f"sub-{k}/anat/*_FLAIR.nii.gz")
        (mask,) = (data / "ms3seg" / "derivatives").rglob(f"sub-{k}*lesion*.nii.gz")
        flair = nib.load(image)
        reference = np.asarray(nib.load(mask).dataobj) > 0
        brain = np.asarray(flair.dataobj) > 0
        probability = np.where(reference, 0.9, 0.02).astype(np.float32)
        free = np.argwhere(brain & ~reference)
        for spot in free[np.random.default_rng(k).integers(len(free), size=6)]:
            probability[tuple(spot)] = 0.6
        write = {
            f"rotation/sub-{k}_probseg": probability * brain,
            f"rotation/sub-{k}_reference": reference.astype(np.uint8),
            f"brains/sub-{k}": brain.astype(np.uint8),
            f"regions/sub-{k}": np.full(brain.shape, 3, np.uint8),
        }
        for name, values in write.items():
            file = work / "measured" / f"{name}.nii.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(values, flair.affine), file)
    return model, data, work


def test_the_card_learns_from_the_maps_and_the_page_shows_the_patients_left_out(measured):
    model, data, work = measured
    before = read_card(model)
    page = calibrate(model, data, work, "rotation").read_text()
    card = read_card(model)
    confidence = Confidence.of(card)
    assert confidence is not None
    assert (card.weights_sha256, card.results) == (before.weights_sha256, before.results)
    large, small = (
        confidence.lesions.true_share(*one, "deep white matter") for one in ((300, 0.9), (1, 0.6))
    )
    assert large > 0.7 > 0.3 > small
    shares = np.interp([0.02, 0.9], confidence.predicted, confidence.observed)
    assert shares[0] < 0.05 and shares[1] > 0.95
    assert "Told, of 100" in page and "| sub-1 |" in page and "Expected Dice" in page


def test_lesions_that_are_all_true_teach_nothing_and_the_card_stays(measured):
    model, data, work = measured
    for file in (work / "measured" / "rotation").glob("sub-[12]_reference*"):
        image = nib.load(file)
        nib.save(nib.Nifti1Image(np.ones(image.shape, np.uint8), image.affine), file)
    before = read_card(model)
    with pytest.raises(SettingsError, match="true and false"):
        calibrate(model, data, work, "rotation")
    assert read_card(model) == before


def test_visits_of_one_patient_are_left_out_together(measured):
    model, data, work = measured
    for group in ("rotation", "brains", "regions"):
        for file in list((work / "measured" / group).glob("sub-0*")):
            for visit in ("ses-01", "ses-02"):
                shutil.copy(file, file.with_name(file.name.replace("sub-0", f"sub-0_{visit}")))
            file.unlink()
    (reference,) = (work / "measured" / "rotation").glob("sub-0_ses-02_reference*")
    image = nib.load(reference)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), reference)
    alone = calibrate(model, data, work, "rotation").read_text()
    assert "| sub-0_ses-01 |" in alone
    for file in (work / "measured" / "rotation").glob("sub-0_ses-02*"):
        file.unlink()
    told = calibrate(model, data, work, "rotation").read_text()
    row = next(line for line in told.splitlines() if "sub-0_ses-01" in line)
    assert row in alone  # the other visit taught nothing about it


def test_one_patient_teaches_nothing(measured):
    model, data, work = measured
    for file in (work / "measured" / "rotation").glob("sub-[12]*"):
        file.unlink()
    with pytest.raises(SettingsError, match="no two patients"):
        calibrate(model, data, work, "rotation")
