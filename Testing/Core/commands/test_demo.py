"""The demo: what a newcomer runs first."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.evaluation.demo import run_demo
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.models.store import SHIPPED
from MSLesionSegLib.synthesis import patient
from MSLesionSegLib.tasks import TASKS
from phantoms.synthetic_heads import LESIONS, SEED


def test_the_demo_takes_a_scan_of_ones_own(head, tmp_path, models):
    outcome = run_demo(head.save(tmp_path / "in"), tmp_path / "demo", Silent(), model="tiny")
    assert outcome.comparison is None
    assert outcome.result.files["report"].is_file()
    assert [p.name for p in (tmp_path / "demo").iterdir()] == ["result"]


@pytest.mark.slow
def test_the_demo_finds_the_lesions_of_its_patient_with_the_shipped_model(
    tmp_path, synthetic_head, monkeypatch
):
    default = TASKS["flair"].default_model
    assert (SHIPPED / default / "card.json").is_file(), f"the default model '{default}' is not shipped"
    known = {(SEED, LESIONS): synthetic_head}  # which took long to make
    monkeypatch.setattr(patient, "synthetic_patient", lambda seed, *, lesions: known[seed, lesions])
    outcome = run_demo(None, tmp_path, Silent())
    for file, made_before in (("FLAIR", synthetic_head.flair), ("truth", synthetic_head.mask)):
        made = nib.load(tmp_path / "patient" / f"synthetic_{file}.nii.gz")
        np.testing.assert_array_equal(np.asarray(made.dataobj), np.asarray(made_before.dataobj))
    assert outcome.comparison.dice > 0.4
    assert outcome.comparison.true_positives > outcome.comparison.false_negatives
    manifest = json.loads(outcome.result.files["manifest"].read_text())
    assert manifest["model"]["name"] == default
    regions = {lesion.region for lesion in outcome.result.lesions}
    assert len(regions) > 1
    assert all(np.isfinite(lesion.centre_ras).all() for lesion in outcome.result.lesions)
