"""Visits whose lesions were all outlined tell what the comparison calls new and vanished rightly."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from model_development.measuring.new_lesions import measure
from MSLesionSegLib.jobs.progress import Silent
from phantoms.followup_phantom import GONE_AT, NEW_AT, scan, use_stand_ins


def save_visit(root, point, session, lesion):
    visit = scan(point, lesion)
    stem = f"sub-01_ses-{session}"
    visit.save(root / "sub-01" / f"ses-{session}" / "anat", f"{stem}_FLAIR.nii.gz")
    places = nib.affines.apply_affine(visit.flair.affine, np.moveaxis(np.indices(visit.flair.shape), 0, -1))
    mask = ((places - lesion[:3]) ** 2).sum(-1) < lesion[3] ** 2
    folder = root / "derivatives" / "manual" / "sub-01" / f"ses-{session}" / "anat"
    folder.mkdir(parents=True)
    nib.save(
        nib.Nifti1Image(mask.astype(np.uint8), visit.flair.affine),
        folder / f"{stem}_label-lesion_mask.nii.gz",
    )


@pytest.fixture
def row(models_folder, monkeypatch, tmp_path):
    """One lesion went and one came between two visits of a patient."""
    use_stand_ins(models_folder, tmp_path / "models", monkeypatch)
    root = tmp_path / "data" / "mslesseg"
    save_visit(root, "baseline", 1, GONE_AT)
    save_visit(root, "followup", 2, NEW_AT)
    measure(tmp_path / "data", tmp_path / "work", ["visits"], Silent(), model="tiny-new", flair_model="tiny")
    (only,) = json.loads((tmp_path / "work" / "new-lesions-visits.json").read_text(encoding="utf-8"))
    return only


def test_what_came_and_what_went_are_counted_against_the_masks_of_both_visits(row):
    assert row["pair"] == "sub-01_ses-1 to sub-01_ses-2"
    for state in ("new", "vanished"):
        assert row[f"{state}_visible"] == row[f"{state}_found"] == 1
        assert row[f"{state}_called"] == row[f"{state}_true"] == row[f"{state}_on_lesion"] == 1
