"""Synthetic patients of label maps for the default models."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from model_development.label_maps import KINDS, write_label_map_patients
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.training.examples.dataset_examples import find_scans
from phantoms.round_brains import shells


def test_each_head_becomes_a_patient_of_each_kind_and_those_there_are_kept(tmp_path):
    nib.save(shells(), tmp_path / "labels_01.nii.gz")
    write_label_map_patients(tmp_path, tmp_path / "datasets", None, Silent())
    lesions = {}
    for kind in KINDS:
        (scan,) = find_scans(tmp_path / "datasets" / f"synthetic-map-{kind}")
        lesions[kind] = np.asarray(nib.load(scan.mask).dataobj).any()
        scan.image.write_bytes(b"kept")
    assert lesions == {"ms": True, "healthy": False, "heads": False, "other": True}
    write_label_map_patients(tmp_path, tmp_path / "datasets", None, Silent())
    assert scan.image.read_bytes() == b"kept"


def test_missing_label_maps_are_told(tmp_path):
    with pytest.raises(SettingsError, match="no label maps"):
        write_label_map_patients(tmp_path / "nowhere", tmp_path / "datasets", None, Silent())
    assert not (tmp_path / "datasets").exists()
