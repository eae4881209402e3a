"""The study's numbers can be written again from the maps that it left."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from model_development.measuring.results import binarise, write_results
from model_development.steps import FLAIR_STEPS, run_steps
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.lesions.components import LesionRule


@pytest.fixture
def work(tmp_path):
    probability = np.zeros((20, 20, 20), np.float32)
    probability[2:6, 2:6, 2:6] = 0.9  # a true lesion
    probability[10:12, 10:12, 10:12] = 0.4  # a missed one, unless the threshold is low
    probability[15, 15, 15] = 0.9  # a false one of 1 mm3
    reference = (probability > 0.3).astype(np.uint8)
    reference[15, 15, 15] = 0
    for group in ("rotation", "lesion-free"):
        folder = tmp_path / "measured" / group
        folder.mkdir(parents=True)
        nib.save(nib.Nifti1Image(probability, np.eye(4)), folder / "sub-1_probseg.nii.gz")
        truth = reference if group == "rotation" else np.zeros_like(reference)
        nib.save(nib.Nifti1Image(truth, np.eye(4)), folder / "sub-1_reference.nii.gz")
    regions = np.full(reference.shape, 3, np.uint8)  # white matter, and brainstem around the false one
    regions[13:, 13:, 13:] = 5
    (tmp_path / "measured" / "regions").mkdir()
    nib.save(nib.Nifti1Image(regions, np.eye(4)), tmp_path / "measured" / "regions" / "sub-1.nii.gz")
    return tmp_path


def voxels(work, threshold, minimum):
    pairs = binarise(work / "measured", LesionRule(threshold, minimum))
    return int(np.asarray(nib.load(pairs["rotation"][0][1]).dataobj).sum())


def test_threshold_and_minimum_size_decide_what_counts(work):
    assert voxels(work, 0.5, 0) == 64 + 1
    assert voxels(work, 0.5, 3) == 64
    assert voxels(work, 0.3, 3) == 64 + 8


def test_the_page_holds_each_group_with_its_definitions(work):
    text = write_results(work, LesionRule()).read_text()
    assert "any-overlap" in text and "msseg" in text
    assert "| sub-1 | 2 |" in text
    assert "| sub-1 | 2 | 0.07 |" in text.split("Lesion-free scans")[1]
    assert (work / "rotation-any-overlap.csv").exists()


def test_lesions_are_counted_by_size_and_false_ones_by_region(work):
    text = write_results(work, LesionRule()).read_text()
    assert "| below 10 mm3 | 1 | 0 | 0 % | - | 0.00 | 1.0 |" in text
    assert "| 30 to 100 mm3 | 1 | 1 | 100 % | - | 1.00 | 0.0 |" in text
    assert "| infratentorial | 1 | 1.0 | 0 |" in text
    assert "| deep white matter | 0 | 0.0 | 2 |" in text


def test_nothing_measured_is_said(tmp_path):
    with pytest.raises(SettingsError, match="measure"):
        write_results(tmp_path, LesionRule())


def test_an_unknown_step_is_refused_with_the_list(tmp_path):
    with pytest.raises(SettingsError, match="flair-base"):
        run_steps(FLAIR_STEPS, tmp_path, tmp_path, ["tea"], Silent())
    order = list(FLAIR_STEPS)
    assert order.index("brain") < order.index("prepare") < order.index("flair-ms")
