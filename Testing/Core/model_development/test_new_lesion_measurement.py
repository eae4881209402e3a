"""The comparison is measured on real pairs, on pairs without change and with every registration."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from model_development.measuring import new_lesions as measurement
from model_development.measuring.new_lesions import measure
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.evaluation import selfcheck
from MSLesionSegLib.jobs.progress import Silent
from phantoms.followup_phantom import GONE_AT, NEW_AT, scan, use_stand_ins


@pytest.fixture
def data(models_folder, monkeypatch, tmp_path) -> Path:
    """A longitudinal dataset with one patient: one new lesion, marked, and a vanished one."""
    use_stand_ins(models_folder, tmp_path / "models", monkeypatch)
    root = tmp_path / "data" / "openms_long"
    baseline, followup = scan("baseline", GONE_AT), scan("followup", NEW_AT)
    baseline.save(root / "sub-01" / "ses-1" / "anat", "sub-01_ses-1_FLAIR.nii.gz")
    followup.save(root / "sub-01" / "ses-2" / "anat", "sub-01_ses-2_FLAIR.nii.gz")
    baseline.save(root / "derivatives" / "common" / "sub-01", "sub-01_ses-1_space-common_FLAIR.nii.gz")
    places = nib.affines.apply_affine(
        baseline.flair.affine, np.moveaxis(np.indices(baseline.flair.shape), 0, -1)
    )
    truth = ((places - NEW_AT[:3]) ** 2).sum(-1) < NEW_AT[3] ** 2
    manual = root / "derivatives" / "manual" / "sub-01"
    manual.mkdir(parents=True)
    mask = nib.Nifti1Image(truth.astype(np.uint8), baseline.flair.affine)
    nib.save(mask, manual / "sub-01_space-common_label-change_mask.nii.gz")
    return tmp_path / "data"


def rows(work: Path, part: str) -> list[dict]:
    return json.loads((work / f"new-lesions-{part}.json").read_text(encoding="utf-8"))


def test_a_real_pair_is_scored_against_its_mask_and_against_plain_rules(data, tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "PLAIN_RULE_Z", (2.5,))
    measure(data, tmp_path / "work", ["pairs"], Silent(), model="tiny-new", flair_model="tiny")
    measured = {(row["method"], row["reference"]): row for row in rows(tmp_path / "work", "pairs")}
    assert len(measured) == 4
    for method in ("network", "subtraction above 2.5"):  # the stand-in is that very rule
        brighter, any_change = measured[method, "brighter"], measured[method, "any change"]
        assert brighter["sensitivity"] == brighter["ppv"] == 1.0
        assert brighter["reference_lesions"] == any_change["reference_lesions"] == 1
        # the lesion that vanished is not in the mask
        assert (any_change["sensitivity"], any_change["ppv"]) == (1.0, 0.5)


def test_pairs_without_change_and_registrations_are_measured(data, tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "REGISTRATION_METHODS", ("rigid",))
    monkeypatch.setattr(selfcheck, "DIAMETERS_MM", (9.0,))
    monkeypatch.setattr(selfcheck, "PER_DIAMETER", 1)
    work = tmp_path / "work"
    measure(data, work, ["unchanged", "registrations"], Silent(), model="tiny-new", flair_model="tiny")
    unchanged = rows(work, "unchanged")
    assert [row["scan"] for row in unchanged] == ["sub-01_ses-1_FLAIR.nii.gz", "sub-01_ses-2_FLAIR.nii.gz"]
    assert all(row["same"] == 0 for row in unchanged)
    (rigid,) = rows(work, "registrations")
    assert rigid["ncc"] > 0.8
    assert rigid["jacobian"] == 1.0
    assert rigid["largest_volume_change"] < 0.1


def test_rules_are_compared_on_faint_lesions_in_a_scan_that_belongs_to_no_pair(data, tmp_path, monkeypatch):
    scan("baseline").save(data / "openms_long" / "sub-04" / "ses-1" / "anat", "sub-04_ses-1_FLAIR.nii.gz")
    for name, value in {"FAINT": 5.0, "THRESHOLDS": (0.5, 1.0), "PEAKS": (0.0,), "SUPPORTS": (0.0,)}.items():
        monkeypatch.setattr(measurement, name, value)
    monkeypatch.setattr(selfcheck, "DIAMETERS_MM", (9.0,))
    monkeypatch.setattr(selfcheck, "PER_DIAMETER", 1)
    measure(data, tmp_path / "work", ["rules"], Silent(), model="tiny-new", flair_model="tiny")
    usual, impossible = rows(tmp_path / "work", "rules")
    assert usual["inserted"] == impossible["inserted"] == usual["found"] == 1
    assert impossible["found"] == 0


def test_an_unknown_part_is_named(tmp_path):
    with pytest.raises(SettingsError, match="no part guess"):
        measure(tmp_path, tmp_path, ["guess"], Silent())
