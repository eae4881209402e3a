"""The shipped brain extraction finds the brain with and without a skull."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.network.brain_extraction import brain_mask, looks_stripped, normalise_head, without_fat


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


@pytest.fixture(params=["synthetic_head", "thick_head"], ids=["3D", "thick slices"])
def head(request):
    return request.getfixturevalue(request.param)


def test_the_brain_is_found_in_a_head(head):
    found = brain_mask(head.flair)
    truth = np.asarray(head.brain.dataobj) > 0
    mask = np.asarray(found.dataobj) > 0
    assert found.shape == head.flair.shape
    np.testing.assert_allclose(found.affine, head.flair.affine)
    assert dice(mask, truth) > 0.93


def test_the_answer_does_not_depend_on_how_the_file_stores_its_axes(head):
    turned = nib.Nifti1Image(np.asarray(head.flair.dataobj)[::-1, ::-1], head.flair.affine)
    affine = head.flair.affine @ np.diag([-1, -1, 1, 1])
    affine[:3, 3] = nib.affines.apply_affine(
        head.flair.affine, [head.flair.shape[0] - 1, head.flair.shape[1] - 1, 0]
    )
    turned = nib.Nifti1Image(np.asarray(turned.dataobj), affine)
    one, other = (np.asarray(brain_mask(image).dataobj) > 0 for image in (head.flair, turned))
    assert dice(one, other[::-1, ::-1]) > 0.995


def test_a_brain_extracted_scan_is_recognised_and_its_outline_kept(head):
    inside = np.asarray(head.brain.dataobj) > 0
    stripped = nib.Nifti1Image(np.asarray(head.flair.dataobj) * inside, head.flair.affine)
    assert looks_stripped(stripped)
    assert not looks_stripped(head.flair)
    mask = np.asarray(brain_mask(stripped).dataobj) > 0
    assert mask[inside].all()
    assert dice(mask, inside) > 0.97


def block(*extra: tuple[slice, slice, slice]) -> nib.Nifti1Image:
    """A cuboid of 600 ml that stands for a stripped brain, with a hole and what else is asked for, at 2 mm."""
    data = np.zeros((70, 80, 70), np.float32)
    data[15:55, 15:65, 15:53] = 100
    data[30:40, 30:40, 30:40] = 0
    for place in extra:
        data[place] = 100
    return nib.Nifti1Image(data, np.diag([2.0, 2.0, 2.0, 1.0]))


def test_the_mask_of_a_brain_extracted_scan_is_one_component_without_holes():
    crumb = (slice(62, 66), slice(72, 76), slice(62, 66))
    scan = block(crumb)
    assert looks_stripped(scan)
    mask = np.asarray(brain_mask(scan).dataobj)
    assert ndimage.label(mask)[1] == 1
    assert mask[35, 35, 35] == 1 and not mask[crumb].any()


def test_a_model_of_the_user_does_not_replace_the_shipped_one(tmp_path, monkeypatch):
    (tmp_path / "brain").mkdir()
    (tmp_path / "brain" / "card.json").write_text("not a card")
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).normal(100, 5, (40, 40, 40)).astype(np.float32)
    with pytest.raises(ImageError, match="No brain was found"):
        brain_mask(nib.Nifti1Image(noise, np.eye(4)))


def test_an_image_without_a_brain_is_refused():
    noise = np.random.default_rng(0).normal(100, 5, (40, 40, 40)).astype(np.float32)
    with pytest.raises(ImageError, match="No brain was found"):
        brain_mask(nib.Nifti1Image(noise, np.eye(4)))


def test_the_scale_of_the_intensities_does_not_matter():
    head = np.random.default_rng(0).gamma(2, 100, (20, 20, 20))
    np.testing.assert_allclose(normalise_head(head), normalise_head(head * 37.5), rtol=1e-5)


def test_bright_fat_that_reaches_into_the_mask_is_left_out_and_a_lesion_stays():
    data = np.random.default_rng(0).normal(100, 5, (40, 40, 40))
    mask = np.zeros(data.shape, bool)
    mask[8:32, 8:32, 8:32] = True
    data[:, :, 34:] = 20  # air and bone
    orbit = (slice(10, 16), slice(2, 12), slice(10, 16))  # from outside into the mask
    lesion = (slice(20, 24), slice(8, 12), slice(20, 24))  # touches the border from within
    data[orbit] = data[lesion] = 250
    cleaned = without_fat(mask, data)
    assert not cleaned[orbit].any()
    assert cleaned[lesion].all()
    assert (mask & ~cleaned).sum() < 1.2 * mask[orbit].sum()
