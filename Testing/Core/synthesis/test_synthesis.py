"""Synthetic patients are plausible and labelled truly."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.synthesis import dataset
from MSLesionSegLib.synthesis import patient as module
from MSLesionSegLib.synthesis.anatomy import Anatomy
from MSLesionSegLib.synthesis.lesions import PATHOLOGIES, blob, insert_lesions, remove_lesions
from MSLesionSegLib.synthesis.patient import SyntheticPatient, synthetic_patient
from MSLesionSegLib.synthesis.shapes import shapes_from_file
from phantoms.synthetic_heads import PARTS, SEED, THICK


@pytest.fixture
def patient(synthetic_head):
    return synthetic_head


def test_a_patient_has_a_brain_of_human_size_and_bright_lesions_inside_it(patient):
    brain = np.asarray(patient.brain.dataobj) > 0
    mask = np.asarray(patient.mask.dataobj) > 0
    flair = np.asarray(patient.flair.dataobj)
    assert 900 < brain.sum() / 1000 < 2100
    assert mask.any() and not (mask & ~brain).any()
    assert np.median(flair[mask]) > np.percentile(flair[brain], 75)
    assert patient.flair.shape == patient.mask.shape == patient.brain.shape


@pytest.fixture
def small_template(monkeypatch):
    """Patients are made of round shells instead of a head of human size."""
    depth = 20 - np.linalg.norm(np.indices((64, 64, 64)) - 31.5, axis=0)
    brain, grey, white, ventricles = (depth > millimetres for millimetres in (0, 2, 6, 16))
    shells = (white & ~ventricles, grey & ~white, brain & ~grey | ventricles, brain, ventricles)
    anatomy = Anatomy(*(shell.astype(np.float32) for shell in shells), affine=np.eye(4))
    monkeypatch.setattr(module, "template_anatomy", lambda: anatomy)


def test_the_same_seed_gives_the_same_patient_bit_for_bit(small_template):
    one, again, other = (synthetic_patient(seed, lesions=3) for seed in (SEED, SEED, SEED + 1))
    for part in PARTS:
        np.testing.assert_array_equal(getattr(one, part).dataobj, getattr(again, part).dataobj)
        assert np.any(getattr(one, part).dataobj != getattr(other, part).dataobj)


def test_the_head_around_the_brain_is_there_only_with_a_skull(patient, small_template):
    stripped = synthetic_patient(SEED, lesions=0, skull=False)
    around, nothing = (
        np.asarray(p.flair.dataobj)[np.asarray(p.brain.dataobj) == 0] for p in (patient, stripped)
    )
    assert around.max() > 100
    assert nothing.size and not nothing.any()


@pytest.mark.slow
def test_thick_slices_show_the_same_patient_at_the_same_place(patient, thick_head):
    thick = thick_head
    np.testing.assert_allclose(nib.affines.voxel_sizes(thick.flair.affine), THICK)
    centres = []
    for image in (patient.brain, thick.brain):
        voxels = np.argwhere(np.asarray(image.dataobj) > 0)
        centres.append(nib.affines.apply_affine(image.affine, voxels.mean(0)))
    np.testing.assert_allclose(centres[0], centres[1], atol=1.0)


@pytest.mark.parametrize("name", list(PATHOLOGIES))
def test_lesions_of_a_disease_have_its_size(name):
    low, high = PATHOLOGIES[name].diameter_mm
    volumes = [float((blob(PATHOLOGIES[name], np.random.default_rng(k)) > 0.5).sum()) for k in range(8)]
    diameters = 2 * (np.array(volumes) * 3 / 4 / np.pi) ** (1 / 3)
    assert low * 0.3 < np.median(diameters) < high * 1.5


def test_inserted_lesions_lie_where_they_are_allowed_and_leave_the_input_alone():
    flair = np.ones((40, 40, 40), np.float32)
    allowed = np.zeros_like(flair)
    allowed[10:30, 10:30, 10:30] = 1
    out, mask = insert_lesions(flair, np.zeros_like(flair), allowed, 5, np.random.default_rng(0))
    assert (flair == 1).all()
    assert mask.max() > 0.5 and not mask[allowed == 0].any()
    assert (out[mask > 0.5] > 1).all()
    np.testing.assert_array_equal(out[mask == 0], 1)


def test_a_removed_lesion_looks_like_its_surroundings():
    rng = np.random.default_rng(0)
    flair = rng.normal(0, 0.1, (40, 40, 40)).astype(np.float32)
    mask = np.zeros_like(flair)
    mask[15:22, 15:22, 15:22] = 1
    flair += 3 * mask
    healed = remove_lesions(flair, mask, np.ones_like(flair), rng)
    assert abs(healed[mask > 0].mean()) < 0.2
    np.testing.assert_allclose(healed[:8], flair[:8], atol=1e-4)


def test_lesion_shapes_are_read_from_a_file_of_sparse_masks(tmp_path):
    shape = (20, 20, 20)
    mask = np.zeros(shape, bool)
    mask[4:8, 5:9, 6:7] = True
    index = np.flatnonzero(mask)
    deltas = np.diff(index, prepend=0)
    np.savez(tmp_path / "s.npz", delta_index=deltas.astype("u4"), offsets=[0, len(deltas)], shape=shape)
    drawn = shapes_from_file(tmp_path / "s.npz")(np.random.default_rng(1))
    assert 5 < drawn.sum() < 17 and drawn.max() <= 1


def test_a_dataset_that_was_stopped_while_it_was_written_is_completed(tmp_path, monkeypatch):
    voxels = np.zeros((8, 8, 8), np.uint8)
    image = nib.Nifti1Image(voxels, np.eye(4))
    made = SyntheticPatient(image, image, image)
    monkeypatch.setattr(dataset, "synthetic_patient", lambda seed, **settings: made)

    def stopped(image, path):
        path.write_bytes(b"half a file")
        if "FLAIR" in path.name:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dataset.nib, "save", stopped)
        with pytest.raises(KeyboardInterrupt):
            dataset.write_dataset(tmp_path, 1)
    assert not list(tmp_path.rglob("*_FLAIR.nii.gz"))
    dataset.write_dataset(tmp_path, 1)
    files = list(tmp_path.rglob("*.nii.gz"))
    assert len(files) == 3
    for file in files:
        np.testing.assert_array_equal(nib.load(file).dataobj, voxels)
