"""A brain mask is judged before anything is counted in it: impossible ones are refused, doubtful ones are told."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.lesions.atlas import ATLAS
from MSLesionSegLib.network.brain_mask_check import (
    brain_shape,
    judge_brain,
    judge_brain_of,
    judge_given_brain,
)


@pytest.fixture(scope="module")
def scan() -> nib.Nifti1Image:
    """A brain-extracted scan of human size and shape, on coarse voxels."""
    image = nib.load(ATLAS / "flair.nii.gz").slicer[::3, ::3, ::3]
    return nib.Nifti1Image(np.asarray(image.dataobj, np.float32), image.affine)


@pytest.fixture(scope="module")
def brain(scan) -> np.ndarray:
    return (np.asarray(scan.dataobj) > 0).astype(np.uint8)


def like(scan: nib.Nifti1Image, data: np.ndarray) -> nib.Nifti1Image:
    return nib.Nifti1Image(data.astype(np.uint8), scan.affine)


def part(brain: np.ndarray, *kept: slice) -> np.ndarray:
    cut = np.zeros_like(brain)
    cut[kept] = brain[kept]
    return cut


def test_a_brain_is_no_matter_for_doubt_wherever_the_field_of_view_ends(scan, brain):
    assert judge_brain(like(scan, brain)) == ()
    middle = brain.shape[2] // 2
    for view in (slice(None, middle + 6), slice(middle - 6, None)):
        seen = like(scan, brain).slicer[:, :, view]
        assert judge_brain(seen) == ()
        assert brain_shape(seen).whole_ml == pytest.approx(brain_shape(like(scan, brain)).whole_ml, rel=0.25)


def test_half_a_brain_is_doubtful(scan, brain):
    half = part(brain, slice(None, brain.shape[0] // 2))
    (doubt,) = judge_brain(like(scan, half))
    assert doubt.code == "brain-doubtful" and "left and right differ" in doubt.sentence


def test_a_brain_upside_down_is_doubtful(scan, brain):
    (doubt,) = judge_brain(like(scan, brain[:, ::-1, ::-1]))
    assert "upside down" in doubt.sentence


@pytest.mark.parametrize("spacing", [1.2, 8.0])
def test_what_has_not_the_size_of_a_brain_is_refused(brain, spacing):
    with pytest.raises(ImageError, match="ml, which no brain has"):
        judge_brain(nib.Nifti1Image(brain, np.diag([spacing, spacing, spacing, 1])))


def test_a_plate_is_no_brain_and_the_sentence_names_the_scan():
    plate = np.zeros((60, 60, 60), np.uint8)
    plate[2:58, 2:58, 28:32] = 1
    with pytest.raises(ImageError, match=r"On the follow-up: .*does not look like a brain"):
        judge_brain_of("follow-up", nib.Nifti1Image(plate, np.diag([4.0, 4.0, 4.0, 1])))


def test_a_given_mask_that_is_mirrored_is_told_wherever_the_head_lies(scan, brain):
    aside = nib.Nifti1Image(np.pad(np.asarray(scan.dataobj), ((4, 0), (0, 0), (0, 0))), scan.affine)
    mask = np.pad(brain, ((4, 0), (0, 0), (0, 0)))
    assert judge_given_brain(like(aside, mask), aside) == ()
    doubts = judge_given_brain(like(aside, mask[::-1]), aside)
    assert any("may be mirrored" in doubt.sentence for doubt in doubts)


def test_a_given_mask_must_be_this_scans(scan, brain):
    assert judge_given_brain(like(scan, brain), scan) == ()
    with pytest.raises(ImageError, match="is empty"):
        judge_given_brain(like(scan, np.zeros_like(brain)), scan)
    doubts = judge_given_brain(like(scan, np.roll(brain, 5, axis=2)), scan)
    assert any("may not be this scan's" in doubt.sentence for doubt in doubts)
    room = nib.Nifti1Image(np.pad(np.asarray(scan.dataobj), 30), scan.affine)
    with pytest.raises(ImageError, match="is not this scan's"):
        judge_given_brain(like(room, np.roll(np.pad(brain, 30), 24, axis=1)), room)
