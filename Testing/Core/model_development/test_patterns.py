"""Lesions of patients without images go into healed scans, at their places and under the host's name."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest

from model_development.patterns import prepare_inserted
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.synthesis.lesions import insert_pattern
from MSLesionSegLib.training.examples.dataset_examples import prepare_dataset
from phantoms.round_brains import AFFINE, add_patient


@pytest.fixture
def brain():
    rng = np.random.default_rng(0)
    flair = rng.normal(100, 10, (40, 40, 40)).astype(np.float32)
    flair[:, :, 30:] = 20  # fluid
    return flair


def test_a_pattern_brightens_tissue_at_its_place_and_nothing_else(brain):
    pattern = np.zeros(brain.shape, np.uint8)
    pattern[10:16, 10:16, 26:34] = 1  # half in the fluid
    pattern[25:28, 25:28, 10:13] = 1
    out, soft = insert_pattern(brain, pattern, brain > 60, np.random.default_rng(1), unit=10)
    assert soft[12, 12, 27] > 0.9 and not soft[:, :, 31:].any()
    np.testing.assert_array_equal(out[soft == 0], brain[soft == 0])
    for lesion in (out[11:15, 11:15, 27:29], out[26, 26, 11]):
        assert np.mean(lesion) > 105
    again, _ = insert_pattern(brain, pattern, brain > 60, np.random.default_rng(1), unit=10)
    np.testing.assert_array_equal(out, again)


def test_only_patients_without_an_image_give_patterns(tmp_path):
    hospital = tmp_path / "hospital"
    for k, subject in enumerate(("sub-1", "sub-2")):
        add_patient(hospital, subject, k)
    shutil.rmtree(hospital / "sub-2")
    scan = hospital / "sub-1" / "anat" / "sub-1_FLAIR.nii.gz"
    flair = np.asarray(nib.load(scan).dataobj)
    flair[:25] *= 0.3  # fluid, far from the lesion
    nib.save(nib.Nifti1Image(flair, AFFINE), scan)
    prepare_inserted(hospital, tmp_path / "out", Silent())
    (folder,) = (tmp_path / "out").iterdir()
    assert folder.name == "sub-1_pattern-2"
    inserted = np.load(folder / "label.npy")
    real = prepare_dataset(hospital, tmp_path / "real")[0].array("label")
    assert (inserted > 128).sum() == pytest.approx((real > 128).sum(), rel=0.3)
    image = np.load(folder / "image.npy")[0].astype(float)
    brain = np.load(folder / "brain.npy") > 0
    assert image[inserted > 200].mean() > image[brain & (inserted == 0)].mean() + 0.5
