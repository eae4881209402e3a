"""Which label of a mask is the lesion is asked, and a mask that no disease explains is refused."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.adding import AddRequest, add_case
from MSLesionSegLib.cases.checking import check_cases
from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.evaluation.mask_pairs import evaluate_pairs
from MSLesionSegLib.imaging.checks.lesion_mask import parse_label, read_lesion_mask
from MSLesionSegLib.imaging.deidentification import content_hash
from phantoms.case_fixtures import add_flair, examination, save_like
from phantoms.phantom import Head


@pytest.fixture
def tissues(tmp_path: Path) -> nib.Nifti1Image:
    """A map with 3 in a cube, 7 and 8 in two smaller ones."""
    data = np.zeros((30, 30, 30), np.uint8)
    data[2:20, 2:20, 2:20] = 3
    data[5:9, 5:9, 5:9] = 7
    data[22:25, 22:25, 22:25] = 8
    image = nib.Nifti1Image(data, np.eye(4))
    nib.save(image, tmp_path / "tissues.nii.gz")
    return image


@pytest.mark.parametrize(("label", "wanted"), [("7", [7]), ("8, 7", [7, 8]), ("all", [3, 7, 8])])
def test_the_label_that_is_named_is_the_lesion(tissues, tmp_path, label, wanted):
    mask = read_lesion_mask(tmp_path / "tissues.nii.gz", label=label)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), np.isin(np.asarray(tissues.dataobj), wanted))


def test_several_labels_of_which_none_is_named_are_asked_for(tissues, tmp_path):
    with pytest.raises(ImageError, match=r"3 labels \(3, 7, 8\).*--lesion-label 8"):
        read_lesion_mask(tmp_path / "tissues.nii.gz")
    with pytest.raises(ImageError, match=r"no label 2; what it holds is 3, 7, 8"):
        read_lesion_mask(tmp_path / "tissues.nii.gz", label="2")


def test_a_probability_map_in_whole_numbers_is_asked_for_its_threshold(tmp_path):
    per_cent = np.zeros((30, 30, 30), np.uint8)
    per_cent[10:14, 10:15, 10:15] = np.arange(1, 101).reshape(4, 5, 5)
    nib.save(nib.Nifti1Image(per_cent, np.eye(4)), tmp_path / "per_cent.nii")
    with pytest.raises(ImageError, match=r"100 labels.*cut at a threshold"):
        read_lesion_mask(tmp_path / "per_cent.nii")


@pytest.mark.parametrize("number", [1, 2, 255])
def test_a_mask_of_one_label_needs_no_word_whatever_its_number(tmp_path, number):
    image = nib.Nifti1Image(
        (np.arange(1000).reshape(10, 10, 10) % 9 == 0).astype(np.uint8) * number, np.eye(4)
    )
    nib.save(image, tmp_path / "mask.nii")
    assert np.asarray(read_lesion_mask(tmp_path / "mask.nii").dataobj).sum() == 112


@pytest.mark.parametrize("text", ["", "0", "-1", "two", "1,,2", "1.5", "all,2"])
def test_a_label_is_a_number(text):
    with pytest.raises(SettingsError, match="number from 1 up"):
        parse_label(text)


def test_a_mask_that_fills_more_than_disease_can_is_refused(tmp_path):
    nib.save(nib.Nifti1Image(np.ones((40, 40, 40), np.uint8), np.diag([2, 2, 2, 1])), tmp_path / "brain.nii")
    with pytest.raises(ImageError, match="512 ml as lesion"):
        read_lesion_mask(tmp_path / "brain.nii")


def test_an_evaluation_takes_the_label_that_is_named(tissues, tmp_path):
    lesion = nib.Nifti1Image((np.asarray(tissues.dataobj) == 7).astype(np.uint8), tissues.affine)
    nib.save(lesion, tmp_path / "lesion.nii.gz")
    pair = [("one", tmp_path / "tissues.nii.gz", tmp_path / "lesion.nii.gz")]
    with pytest.raises(ImageError, match=r"Case one, prediction.*--lesion-label"):
        evaluate_pairs(pair)
    pair = [("one", tmp_path / "tissues.nii.gz", tmp_path / "tissues.nii.gz")]
    case = evaluate_pairs(pair, lesion_label="7").cases[0]
    assert (case.metrics.dice, case.metrics.reference_volume_mm3) == (1.0, 64.0)


def test_a_tissue_map_becomes_a_case_only_with_its_label(tmp_path):
    flair, _, head = examination(tmp_path / "in", 1)
    brain, lesions = (np.asarray(image.dataobj) for image in (head.brain, head.lesions))
    tissues = save_like(head.flair, brain + lesions, tmp_path / "tissues.nii.gz")
    request = AddRequest(tmp_path / "set", "flair", {"flair": flair}, tissues)
    with pytest.raises(ImageError, match="2 labels"):
        add_case(request)
    assert not (tmp_path / "set").exists()
    request = AddRequest(tmp_path / "set", "flair", {"flair": flair}, tissues, lesion_label="2")
    case = add_case(request).case
    np.testing.assert_array_equal(np.asarray(nib.load(case.mask).dataobj), lesions)


def half_a_brain(head: Head) -> np.ndarray:
    half = np.asarray(head.brain.dataobj).copy()
    half[: half.shape[0] // 2] = 0
    return half


def test_a_mask_of_half_the_brain_is_no_case(tmp_path):
    flair, _, head = examination(tmp_path / "in", 1)
    mask = save_like(head.flair, half_a_brain(head), tmp_path / "half.nii.gz")
    with pytest.raises(ImageError, match="% of the brain as lesion"):
        add_case(AddRequest(tmp_path / "set", "flair", {"flair": flair}, mask))
    assert not (tmp_path / "set").exists()


def test_a_filed_mask_of_half_the_brain_is_called_bad(tmp_path):
    case = add_flair(tmp_path / "set", tmp_path / "in", 1).case
    half = half_a_brain(examination(tmp_path / "in", 1)[2])
    filed = nib.load(save_like(nib.load(case.mask), half, case.mask))
    record = case.mask.parent / Path(layout.record_name(case.mask.name))
    facts = json.loads(record.read_text(encoding="utf-8"))
    facts["Contents"]["mask"] = content_hash(filed)  # as if it had been filed before masks were judged
    record.write_text(json.dumps(facts), encoding="utf-8")
    told = check_cases(tmp_path / "set")
    assert [(f.case, f.bad) for f in told] == [(case.case_id, True)]
    assert "of the brain as lesion" in told[0].sentence
