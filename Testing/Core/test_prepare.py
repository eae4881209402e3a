"""A dataset of scans and masks becomes training examples; a bad case is named and left out."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.training.prepare import find_scans, prepare_dataset

AFFINE = np.diag([1.5, 1.5, 3.0, 1.0])


class Listener:
    def __init__(self):
        self.warnings = []

    def stage(self, *_):
        pass

    def warning(self, code, sentence):
        self.warnings.append(sentence)


def add_patient(dataset, name, seed=0):
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in (80, 90, 40)], indexing="ij"))
    brain = (grid**2).sum(0) < 0.8
    lesion = ((grid - np.array([0.3, 0.1, 0.0])[:, None, None, None]) ** 2).sum(0) < 0.01
    flair = (300 + rng.normal(0, 10, brain.shape) + 200 * lesion) * brain
    anat = dataset / name / "anat"
    manual = dataset / "derivatives" / "manual" / name / "anat"
    for folder in (anat, manual):
        folder.mkdir(parents=True)
    nib.save(nib.Nifti1Image(flair.astype(np.float32), AFFINE), anat / f"{name}_FLAIR.nii.gz")
    for label, mask in (("lesion", lesion), ("brain", brain)):
        image = nib.Nifti1Image(mask.astype(np.uint8), AFFINE)
        nib.save(image, manual / f"{name}_label-{label}_mask.nii.gz")
    return manual


@pytest.fixture
def dataset(tmp_path):
    for k in range(2):
        add_patient(tmp_path / "hospital", f"sub-{k}", k)
    return tmp_path / "hospital"


def test_every_scan_with_a_mask_is_found(dataset):
    (dataset / "sub-9" / "anat").mkdir(parents=True)
    (dataset / "sub-9" / "anat" / "sub-9_FLAIR.nii.gz").write_bytes(b"")
    assert [(s.name, s.site, s.focus) for s in find_scans(dataset)] == [
        ("sub-0", "hospital", None),
        ("sub-1", "hospital", None),
    ]


def test_an_example_keeps_the_lesion_where_it_is_and_its_volume(dataset, tmp_path):
    example = prepare_dataset(dataset, tmp_path / "out")[0]
    image, label, brain = (example.array(name) for name in ("image", "label", "brain"))
    assert image.shape[1:] == label.shape == brain.shape
    truth = nib.load(next((dataset / "derivatives").rglob("sub-0_label-lesion_mask.nii.gz")))
    volume = float(np.asarray(truth.dataobj).sum()) * 1.5 * 1.5 * 3
    assert label.astype(float).sum() / 255 == pytest.approx(volume, rel=0.1)
    assert image[0][label > 128].mean() > image[0][(label == 0) & (brain > 0)].mean() + 2
    assert not image[0][brain == 0].any()


def test_a_healed_example_has_no_lesion_but_attention_where_it_was(dataset, tmp_path):
    example = prepare_dataset(dataset, tmp_path / "out", healing="paint")[0]
    sick = prepare_dataset(dataset, tmp_path / "sick")[0]
    assert not example.array("label").any()
    focus = np.unravel_index(example.array("focus_index"), example.array("label").shape)
    there = example.array("image")[0][focus].astype(float)
    assert len(there) == pytest.approx(len(sick.array("lesion_index")), rel=0.2)
    assert there.mean() < 1.0


def test_a_bad_case_is_named_and_does_not_stop_the_others(dataset, tmp_path):
    wrong = nib.Nifti1Image(np.zeros((5, 5, 5), np.uint8), AFFINE)
    nib.save(wrong, next((dataset / "derivatives").rglob("sub-0_label-lesion_mask.nii.gz")))
    listener = Listener()
    examples = prepare_dataset(dataset, tmp_path / "out", progress=listener)
    assert [e.name for e in examples] == ["sub-1"]
    assert len(listener.warnings) == 1 and listener.warnings[0].startswith("sub-0 is left out")


def test_prepared_cases_are_not_prepared_again(dataset, tmp_path):
    first = prepare_dataset(dataset, tmp_path / "out")[0]
    stamp = (first.folder / "image.npy").stat().st_mtime_ns
    again = prepare_dataset(dataset, tmp_path / "out")[0]
    assert (again.folder / "image.npy").stat().st_mtime_ns == stamp
