"""Patients made of anatomical label maps: true masks, bright normal structures, any brain."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from MSLesionSegLib.synthesis.label_map import label_map_patient
from phantoms.round_brains import shells


@pytest.fixture(scope="module")
def head() -> nib.Nifti1Image:
    return shells()


def values(image: nib.Nifti1Image) -> np.ndarray:
    return np.asarray(image.dataobj)


def test_the_same_map_and_seed_give_the_same_patient_bit_for_bit_and_another_seed_another_one(head):
    first, again, other = (label_map_patient(head, seed, lesions=3) for seed in (1, 1, 2))
    np.testing.assert_array_equal(values(first.flair), values(again.flair))
    np.testing.assert_array_equal(values(first.mask), values(again.mask))
    assert not np.array_equal(values(first.flair), values(other.flair))


def test_a_healthy_patient_has_no_lesion_not_even_those_of_the_map(head):
    healthy = label_map_patient(head, 3, skull=False)
    brain, flair = values(healthy.brain) > 0, values(healthy.flair)
    assert not values(healthy.mask).any()
    assert not flair[~brain].any()
    # the map's own lesions have become white matter: the shell where they lay is as bright as its neighborhood
    depth = ndimage.distance_transform_edt(brain)
    shell, beside = (np.median(flair[np.abs(depth - d) < 1]) for d in (10, 13))
    assert abs(shell / beside - 1) < 0.15


def test_lesions_lie_in_the_brain_and_are_brighter_than_the_same_patient_without(head):
    patient = label_map_patient(head, 4, lesions=6)
    mask, brain = values(patient.mask) > 0, values(patient.brain) > 0
    assert mask.any() and not (mask & ~brain).any()
    around = ndimage.binary_dilation(mask, iterations=3) & ~ndimage.binary_dilation(mask) & brain
    assert np.median(values(patient.flair)[mask]) > np.median(values(patient.flair)[around])


def test_the_ventricles_belong_to_the_brain_mask_and_the_skin_does_not(head):
    patient = label_map_patient(head, 5)
    brain = values(patient.brain) > 0
    assert brain[36, 36, 36]
    assert 0.6 < brain.sum() / (4 / 3 * np.pi * 26**3) < 1.5
    assert values(patient.flair)[~brain].max() > 0


def test_thick_slices_come_on_the_grid_that_was_asked_for(head):
    patient = label_map_patient(head, 6, spacing=(1.0, 1.0, 4.0))
    np.testing.assert_allclose(nib.affines.voxel_sizes(patient.flair.affine), (1, 1, 4))
    assert patient.flair.shape == patient.mask.shape == patient.brain.shape


def test_lesions_of_other_diseases_are_other_ones(head):
    ms, tumor = (label_map_patient(head, 9, lesions=1, pathology=name) for name in ("ms", "tumour"))
    assert values(tumor.mask).sum() > 4 * values(ms.mask).sum() > 0
