"""A dataset of scans and masks becomes training examples; a bad case is named and left out."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.training.examples.dataset_examples import find_scans, paint_over, prepare_dataset
from phantoms.round_brains import AFFINE, add_patient


class Listener:
    def __init__(self):
        self.warnings = []

    def stage(self, *_):
        pass

    def warning(self, code, sentence):
        self.warnings.append(sentence)


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


def test_a_painted_scan_keeps_its_grid_and_everything_away_from_the_lesions(dataset):
    scan = next(find_scans(dataset))
    image = read_scan(scan.image).image
    mask = read_mask(scan.mask, image)
    brain = nib.Nifti1Image((np.asarray(image.dataobj) > 0).astype(np.uint8), image.affine)
    healed = paint_over(image, mask, brain)
    np.testing.assert_array_equal(healed.affine, image.affine)
    before, after, lesion = (np.asarray(i.dataobj) for i in (image, healed, mask))
    far = ndimage.distance_transform_edt(lesion == 0, sampling=(1.5, 1.5, 3.0)) > 9
    np.testing.assert_allclose(after[far], before[far], atol=1e-3)
    core = ndimage.binary_erosion(lesion > 0)
    assert abs(after[core].mean() - 300) < 25 < before[core].mean() - 300


def test_a_tumour_is_cut_out_of_the_brain_with_its_surroundings(dataset, tmp_path):
    whole = prepare_dataset(dataset, tmp_path / "whole")[0]
    example = prepare_dataset(dataset, tmp_path / "out", healing="cut")[0]
    assert not example.array("label").any()
    lesion_mm3, lost_mm3 = (
        len(whole.array("lesion_index")),
        (int(whole.array("brain").sum()) - int(example.array("brain").sum())),
    )
    assert lost_mm3 > 5 * lesion_mm3
    assert example.array("image")[0].max() < 6  # nothing as bright as the lesion was is left
