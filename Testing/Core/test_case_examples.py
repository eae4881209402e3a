"""A case becomes what a network is trained on, whatever its task."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from clinic import LAS, SHAPE, examination, save_like
from heads import make_head

from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.training.case_adding import AddRequest, add_case
from MSLesionSegLib.training.case_examples import prepare_case


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


def test_a_task_that_cannot_be_trained_yet_is_told(tmp_path):
    baseline, _, _ = examination(tmp_path / "in", 1)
    followup, mask, _ = examination(tmp_path / "in", 2)
    case = add_case(
        AddRequest(tmp_path / "set", "new", {"baseline": baseline, "followup": followup}, mask)
    ).case
    with pytest.raises(SettingsError, match="cannot be trained on yet"):
        prepare_case(case, tmp_path / "example")
