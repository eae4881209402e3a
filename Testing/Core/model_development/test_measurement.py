"""Every number comes from a model that never saw the patient, on the way that a user's scan goes."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from model_development.default_models import ROTATION, STAGES
from model_development.measuring.flair import measure, rotation_scans, scans_for
from model_development.measuring.results import write_results
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import save_model
from phantoms.round_brains import add_patient

SUBJECTS = [subject for group in ROTATION for subject in group]


def site_of(subject: str) -> str:
    return "ms3seg" if len(subject) > 6 else "openms_cross"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for k, subject in enumerate(SUBJECTS):
        if subject in ("sub-07", "sub-101228"):
            add_patient(folder / site_of(subject), subject, k)
    return folder


def rotation_of(subject, data, models):
    return [measured for measured in rotation_scans(data, models) if measured.name == subject]


def save_tiny(root, name, seed):
    torch.manual_seed(seed)
    tiny = Architecture(feature_maps=4, levels=3)
    return save_model(root, build(tiny), ModelCard(name, "flair", tiny, ("FLAIR",)))


def test_no_model_is_measured_on_what_it_saw(data):
    planned = list(rotation_scans(data, Path("models")))
    assert {m.group for m in planned} == {"rotation", "lesion-free", "other-hospital", "base"}
    for measured in planned:
        stage, subject = STAGES[measured.model.name], measured.name.split("_")[0]
        seen_sites = {source.removesuffix("-healthy") for source in stage.sources}
        assert subject in stage.leave_out or measured.scan.site not in seen_sites


def test_maps_lie_on_the_scan_and_are_made_again_only_for_another_model(data, tmp_path):
    models = tmp_path / "models"
    save_tiny(models, "rotation-1", 0)
    measure(rotation_of("sub-101228", data, models), tmp_path, Silent())
    group = tmp_path / "measured" / "rotation"
    image = nib.load(data / "ms3seg" / "sub-101228" / "anat" / "sub-101228_FLAIR.nii.gz")
    found = nib.load(group / "sub-101228_probseg.nii.gz")
    assert found.shape == image.shape
    np.testing.assert_allclose(found.affine, image.affine)
    assert 0 < np.asarray(found.dataobj).max() <= 1
    truth = np.asarray(nib.load(group / "sub-101228_reference.nii.gz").dataobj)
    assert truth.any()
    free = tmp_path / "measured" / "lesion-free"
    assert not np.asarray(nib.load(free / "sub-101228_reference.nii.gz").dataobj).any()
    assert not (tmp_path / "measured" / "base").exists()  # that model is not trained

    first = (group / "sub-101228_probseg.nii.gz").stat().st_mtime_ns
    measure(rotation_of("sub-101228", data, models), tmp_path, Silent())
    assert (group / "sub-101228_probseg.nii.gz").stat().st_mtime_ns == first
    (models / "rotation-1").rename(models / "old")
    save_tiny(models, "rotation-1", 1)
    measure(rotation_of("sub-101228", data, models), tmp_path, Silent())
    assert (group / "sub-101228_probseg.nii.gz").stat().st_mtime_ns != first


def test_any_model_is_measured_on_chosen_datasets_and_their_lesion_free_twins(data, tmp_path):
    model = save_tiny(tmp_path / "elsewhere", "mine", 0)
    measure(scans_for(model, data, ["openms_cross"]), tmp_path, Silent())
    measured = tmp_path / "measured"
    assert nib.load(measured / "mine" / "sub-07_reference.nii.gz").get_fdata().any()
    assert not nib.load(measured / "mine-lesion-free" / "sub-07_reference.nii.gz").get_fdata().any()
    text = write_results(tmp_path, LesionRule(0.999)).read_text()
    assert "## Scans judged by mine" in text and "## Lesion-free scans judged by mine" in text
    assert "### False positives by region" in text and "above 300 mm3" in text


def test_a_dataset_without_masks_is_refused(data, tmp_path):
    with pytest.raises(SettingsError, match="brats"):
        list(scans_for(tmp_path, data, ["brats"]))
