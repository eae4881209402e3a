"""A scan that was filed is known again, however it was saved since."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.cases.adding import AddRequest, add_case, remove_case
from MSLesionSegLib.cases.case_set import read_cases
from MSLesionSegLib.errors import ImageError, SettingsError
from phantoms.case_fixtures import add_flair, examination, files, save_like


def test_the_same_scan_under_another_name_turned_and_recompressed_is_noticed(tmp_path):
    first = add_flair(tmp_path / "set", tmp_path / "in", 1).case
    flair, mask, _ = examination(tmp_path / "in", 1)
    for path in (flair, mask):
        turned = nib.as_closest_canonical(nib.load(path))
        nib.save(turned, tmp_path / f"{path.name.removesuffix('.nii.gz')}.nii")
    before = files(tmp_path / "set")
    again = add_case(
        AddRequest(
            tmp_path / "set",
            "flair",
            {"flair": tmp_path / "DOE_JOHN_1_FLAIR.nii"},
            tmp_path / "mask_1.nii",
            split=None,
        )
    )
    assert not again.stored and again.case == first
    assert [f.code for f in again.findings] == ["case-known"]
    assert files(tmp_path / "set") == before


def moved(path: Path, target: Path, change: np.ndarray) -> Path:
    """A copy of an image with the same voxels under another header."""
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), change @ image.affine), target)
    return target


@pytest.mark.parametrize(
    "change",
    [
        np.diag([1.0, 1.0, 1.2, 1.0]),
        nib.affines.from_matvec(np.eye(3), [0, 4, -9]),
    ],
    ids=["slices further apart", "elsewhere"],
)
def test_a_filed_scan_whose_header_was_changed_is_refused_and_the_case_stays_good(tmp_path, change):
    folder = tmp_path / "set"
    first = add_flair(folder, tmp_path / "in", 1).case
    flair, mask, head = examination(tmp_path / "in", 1)
    fewer = np.asarray(head.lesions.dataobj).copy()
    fewer[:20] = 0
    save_like(head.lesions, fewer, mask)
    before = files(folder)
    flair, mask = (moved(path, tmp_path / f"new_{path.name}", change) for path in (flair, mask))
    with pytest.raises(ImageError, match=f"mm away.*cases remove {first.case_id}"):
        add_case(AddRequest(folder, "flair", {"flair": flair}, mask))
    assert files(folder) == before
    assert read_cases(folder).cases == (first,)


OTHER_AXES = {
    "left and right": np.diag([-1.0, 1.0, 1.0, 1.0]),
    "upside down": np.diag([1.0, -1.0, -1.0, 1.0]),
    "slices from the side": np.eye(4)[[2, 0, 1, 3]],
}


@pytest.mark.parametrize("change", OTHER_AXES.values(), ids=OTHER_AXES)
def test_a_filed_scan_whose_header_turns_or_mirrors_it_is_refused(tmp_path, change):
    folder = tmp_path / "set"
    first = add_flair(folder, tmp_path / "in", 1).case
    flair, mask, _ = examination(tmp_path / "in", 1)
    before = files(folder)
    flair, mask = (moved(path, tmp_path / f"new_{path.name}", change) for path in (flair, mask))
    with pytest.raises(ImageError, match=f"mirrored or turned.*cases remove {first.case_id}"):
        add_case(AddRequest(folder, "flair", {"flair": flair}, mask))
    assert files(folder) == before


def test_a_removed_scan_returns_to_its_side_also_under_a_mirrored_header(tmp_path):
    folder = tmp_path / "set"
    case = add_flair(folder, tmp_path / "in", 1, split="validation").case
    add_flair(folder, tmp_path / "in", 2, split="training")
    remove_case(folder, case.case_id)
    images = examination(tmp_path / "in", 1)[:2]
    change = OTHER_AXES["left and right"]
    flair, mask = (moved(path, tmp_path / f"new_{path.name}", change) for path in images)
    with pytest.raises(SettingsError, match="in the validation part"):
        add_case(AddRequest(folder, "flair", {"flair": flair}, mask, split="training"))
    added = add_case(AddRequest(folder, "flair", {"flair": flair}, mask))
    assert added.stored and added.case.split == "validation"


@pytest.mark.parametrize("shift", [0.0, 0.02])
def test_a_correction_of_a_turned_copy_lies_on_the_scan_that_was_filed(tmp_path, shift):
    folder = tmp_path / "set"
    first = add_flair(folder, tmp_path / "in", 1).case
    flair, mask, head = examination(tmp_path / "in", 1)
    fewer = np.asarray(head.lesions.dataobj).copy()
    fewer[:20] = 0
    save_like(head.lesions, fewer, mask)
    for path in (flair, mask):
        turned = nib.as_closest_canonical(nib.load(path))
        turned.affine[:3, 3] += shift  # as programs round
        nib.save(nib.Nifti1Image(np.asarray(turned.dataobj), turned.affine), path)
    again = add_case(AddRequest(folder, "flair", {"flair": flair}, mask, draft=mask))
    assert again.stored and again.case.version == 2
    assert read_cases(folder).cases == (again.case,)
    for kept in (again.case.mask, again.case.draft):
        np.testing.assert_array_equal(np.asarray(nib.load(kept).dataobj), fewer)
        np.testing.assert_array_equal(nib.load(kept).affine, nib.load(first.images["flair"]).affine)
