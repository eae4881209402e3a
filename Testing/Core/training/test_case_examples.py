"""A case becomes what a network is trained on, whatever its task."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.cases.adding import AddRequest, add_case
from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.registration import Registration
from MSLesionSegLib.training.examples.case_examples import prepare_case
from phantoms.case_fixtures import LAS, SHAPE, examination, save_like
from phantoms.phantom import make_head


def test_scans_before_and_after_gadolinium_become_two_channels(tmp_path):
    pytest.importorskip("ants")
    head = make_head(LAS, SHAPE, 1)
    plain = np.where(np.asarray(head.lesions.dataobj) > 0, 110.0, np.asarray(head.flair.dataobj))
    focus = np.zeros(SHAPE, bool)
    focus[24:27, 17:20, 19:22] = True  # enhances; the other bright spots of the phantom do not
    noise = np.random.default_rng(0).normal(0, 2, SHAPE) * (plain != 0)
    after = plain + noise + 70 * focus
    pre, post = tmp_path / "pre.nii.gz", tmp_path / "post.nii.gz"
    for path, data in ((pre, plain), (post, after)):
        nib.save(nib.Nifti1Image(data.astype(np.float32), LAS), path)
    mask = save_like(head.flair, focus, tmp_path / "mask.nii.gz")
    case = add_case(AddRequest(tmp_path / "set", "enhancing", {"pre": pre, "post": post}, mask)).case
    example = prepare_case(case, tmp_path / "example")
    image, lesion = example.array("image").astype(float), example.array("label") > 127
    assert image.shape[0] == 2 and lesion.sum() == pytest.approx(focus.sum() * 27, rel=0.25)
    before_z, after_z = (channel[lesion].mean() for channel in image)
    assert after_z > before_z + 1


def test_a_mask_of_another_scan_is_no_example(tmp_path):
    flair, _, head = examination(tmp_path / "in", 1)
    outside = np.zeros(SHAPE)
    outside[0:3, 0:3, 0:3] = 1
    mask = save_like(head.flair, outside, tmp_path / "mask.nii.gz")
    case = add_case(AddRequest(tmp_path / "set", "flair", {"flair": flair}, mask)).case
    with pytest.raises(ImageError, match="outside the brain"):
        prepare_case(case, tmp_path / "example")
    assert not (tmp_path / "example").exists()


@pytest.mark.parametrize("drawn_on", ["baseline", "followup"])
def test_two_visits_become_their_difference_wherever_the_mask_was_drawn(tmp_path, monkeypatch, drawn_on):
    pytest.importorskip("SimpleITK")
    shift = np.array(
        [0.0, 6.0, 0.0]
    )  # mm, between the two visits; found by the stand-in for the registration
    grids = {"baseline": LAS, "followup": LAS.copy()}
    grids["followup"][:3, 3] += shift
    head = make_head(LAS, SHAPE, 1)
    before = np.asarray(head.flair.dataobj).astype(np.float32)
    came = np.zeros(SHAPE, bool)
    came[24:27, 17:20, 19:22] = True
    after = np.where(
        came, before.max(), before + np.random.default_rng(0).normal(0, 2, SHAPE) * (before != 0)
    )
    files = {name: tmp_path / f"{name}.nii.gz" for name in grids}
    for (name, path), data in zip(files.items(), (before, after), strict=True):
        nib.save(nib.Nifti1Image(data.astype(np.float32), grids[name]), path)
    mask = save_like(nib.Nifti1Image(after, grids[drawn_on]), came, tmp_path / "mask.nii.gz")
    monkeypatch.setattr(
        "MSLesionSegLib.training.examples.case_examples.register", lambda *_, **__: moved_by(shift)
    )
    case = add_case(AddRequest(tmp_path / "set", "new", files, mask)).case
    assert case.grid == drawn_on
    example = prepare_case(case, tmp_path / "example")
    image, lesion = example.array("image").astype(float), example.array("label") > 127
    assert image.shape[0] == 1
    assert lesion.sum() == pytest.approx(came.sum() * 27, rel=0.25)
    brain = example.array("brain") > 0
    assert image[0][lesion].mean() > 1 and abs(np.median(image[0][brain & ~lesion])) < 0.1


def moved_by(shift: np.ndarray) -> Registration:
    """The registration of a follow-up that lies ``shift`` (mm, RAS) beside its baseline."""
    import SimpleITK as sitk

    lps = (shift * [-1, -1, 1]).tolist()
    back = [-value for value in lps]
    return Registration(
        sitk.TranslationTransform(3, lps), sitk.TranslationTransform(3, back), "rigid", 1.0, 1.0
    )
