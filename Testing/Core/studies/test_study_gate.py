"""``study gate``: the whole loop of a user with right and with wrong masks, in a model store of its own."""

from __future__ import annotations

import csv

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import save_model
from MSLesionSegLib.studies.engine.recipes import study_recipe
from MSLesionSegLib.studies.engine.record import read_study
from MSLesionSegLib.studies.engine.study_cases import StudyCase
from MSLesionSegLib.studies.gate.cells import LESSONS, OTHER_CONTRAST, RIGHT, SHIFTED, SURROUNDINGS, taught
from MSLesionSegLib.studies.gate.settings import GateData, GateSettings
from MSLesionSegLib.studies.gate.study import run_gate, split
from phantoms.study_phantoms import VOXEL_MM, write_centre

pytestmark = pytest.mark.usefixtures("short_trials", "small_patients")

QUICK = study_recipe("quick", ["steps=2", "minutes=0", "patch=16", "adapt=false", "batch=1", "validations=1"])
TINY = Architecture(feature_maps=4, levels=3)


@pytest.fixture
def centre(tmp_path):
    """Four patients with a FLAIR and a T1-weighted scan each."""
    folder = write_centre(tmp_path / "centre", 4)
    for flair in folder.glob("sub-*/anat/*_FLAIR.nii.gz"):
        image = nib.load(flair)
        values = np.asarray(image.dataobj)
        t1 = nib.Nifti1Image(np.where(values > 0, 200 - values, 0), image.affine)
        nib.save(t1, flair.with_name(flair.name.replace("_FLAIR", "_T1w")))
    return folder


@pytest.fixture
def start(tmp_path):
    torch.manual_seed(0)
    return save_model(tmp_path / "start", build(TINY), ModelCard("start", "flair", TINY, ("FLAIR",)))


@pytest.mark.slow
def test_each_lesson_is_learnt_and_judged_and_ones_own_models_are_left_alone(
    centre, start, models, tmp_path, monkeypatch
):
    before = {path.name: path.read_bytes() for path in models.rglob("*") if path.is_file()}
    settings = GateSettings(str(start), train=1, validate=("sub-centre01",), recipe=QUICK.as_dict())
    page = run_gate(settings, GateData(str(centre)), tmp_path / "study", "local", Silent())
    assert {path.name: path.read_bytes() for path in models.rglob("*") if path.is_file()} == before
    with open(tmp_path / "study" / "gate.csv") as file:
        rows = {row["lesson"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(LESSONS)
    # one validation case is too few to promote, unless the new model is worse
    assert {row["verdict"] for row in rows.values()} <= {"undecided", "refuse"}
    assert {row["in_use"] for row in rows.values()} == {"start"}
    assert "right: " in page.read_text()
    assert {case["site"] for case in read_study(tmp_path / "study" / "study.json")["cases"]} == {"centre"}
    monkeypatch.setattr(torch.optim, "AdamW", None)  # nothing is trained again
    run_gate(settings, GateData(str(centre)), tmp_path / "study", "local", Silent())


def test_a_wrong_lesson_is_wrong_in_the_way_that_it_says(centre):
    anat = centre / "derivatives" / "manual" / "sub-centre00" / "anat"
    flair = centre / "sub-centre00" / "anat" / "sub-centre00_FLAIR.nii.gz"
    brain = anat / "brain.nii.gz"
    head = np.asarray(nib.load(flair).dataobj)
    nib.save(nib.Nifti1Image((head > 0).astype(np.uint8), nib.load(flair).affine), brain)
    files = {
        "flair": flair,
        "t1": flair.with_name(flair.name.replace("_FLAIR", "_T1w")),
        "mask": anat / "sub-centre00_label-lesion_mask.nii.gz",
        "brain": brain,
    }
    lessons = {lesson: taught(lesson, files) for lesson in LESSONS}
    right = lessons[RIGHT][1] > 0
    assert right.any() and lessons[RIGHT][0] == flair
    shifted = lessons[SHIFTED][1] > 0
    assert shifted.sum() == right.sum()
    apart = np.argwhere(shifted).mean(0) - np.argwhere(right).mean(0)
    assert np.linalg.norm(apart * VOXEL_MM) == pytest.approx(12, abs=1.7)
    around = lessons[SURROUNDINGS][1] > 0
    assert not (around & right).any() and not (around & (head == 0)).any()
    assert around.sum() == pytest.approx(0.1 * (head > 0).sum(), rel=0.01)
    away = distance_transform_edt(~right, sampling=nib.load(flair).header.get_zooms())
    assert away[around].max() <= away[(head > 0) & ~right & ~around].min()
    assert lessons[OTHER_CONTRAST][0] == files["t1"] and (lessons[OTHER_CONTRAST][1] == right).all()


def test_nobody_is_trained_and_validated_on():
    cases = [StudyCase("centre", name, None) for name in ("sub-a", "sub-b", "sub-c", "sub-d")]
    training, validation = split(GateSettings("model", train=2, validate=("sub-b",)), cases)
    assert [case.patient for case in training] == ["sub-a", "sub-c"]
    assert [case.patient for case in validation] == ["sub-b"]
    training, validation = split(GateSettings("model", train=1), cases)
    assert len(training) == 1 and len(validation) == 3 and training[0] not in validation
    with pytest.raises(SettingsError, match="4 patients; the study needs 7"):
        split(GateSettings("model", train=4), cases)
    with pytest.raises(SettingsError, match="no patient sub-x"):
        split(GateSettings("model", train=1, validate=("sub-x",)), cases)
