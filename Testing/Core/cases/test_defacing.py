"""A face counts as removed only after the result was looked at; otherwise the case stays out."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.cases.adding import AddRequest, add_case
from MSLesionSegLib.cases.defacing import check_same_brain, save_without_face
from MSLesionSegLib.cases.set_archive import export_archive
from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.files.zip_archive import MANIFEST
from phantoms.case_fixtures import add_flair, examination
from phantoms.phantom import Head


def brain_with_face(head: Head, folder: Path, scale=lambda x: x) -> tuple[Path, np.ndarray]:
    """A scan that the program takes for brain-extracted, with a bit of a face apart from the brain."""
    data = np.asarray(head.flair.dataobj).copy()
    face = np.zeros(data.shape, bool)
    face[18:21, 43:46, 4:8] = True
    data[face] = 90
    folder.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(scale(data).astype(np.float32), head.flair.affine), folder / "scan.nii.gz")
    return folder / "scan.nii.gz", face


@pytest.mark.parametrize("scale", [lambda x: (x - 110) / 20, lambda x: x + 1000], ids=["z-scored", "shifted"])
def test_the_face_goes_and_the_brain_stays_on_any_scale(head: Head, tmp_path, scale):
    scan, face = brain_with_face(head, tmp_path, scale)
    save_without_face(scan, tmp_path / "kept.nii.gz")
    before, after = (np.asarray(nib.load(path).dataobj) for path in (scan, tmp_path / "kept.nii.gz"))
    inside = np.asarray(head.brain.dataobj) > 0
    np.testing.assert_array_equal(after[inside], before[inside])
    assert not after[face].any()


@pytest.mark.parametrize("cut", ["half a brain", "a brain with something beside it"])
def test_a_scan_whose_brain_is_doubtful_is_not_written(head: Head, tmp_path, cut):
    data = np.asarray(head.flair.dataobj).copy()
    if cut == "half a brain":
        data[: data.shape[0] // 2] = 0
    else:
        data[10:30, 34:, :14] = 90
    large = head.flair.affine @ np.diag([1.5, 1.5, 1.5, 1])  # half of it still has the volume of a brain
    nib.save(nib.Nifti1Image(data, large), tmp_path / "scan.nii.gz")
    with pytest.raises(ImageError, match="cannot be removed with certainty"):
        save_without_face(tmp_path / "scan.nii.gz", tmp_path / "kept.nii.gz")
    assert not (tmp_path / "kept.nii.gz").exists()


def test_two_scans_whose_brains_do_not_meet_share_no_mask(head: Head):
    moved = nib.Nifti1Image(np.roll(np.asarray(head.brain.dataobj), 12, axis=1), head.brain.affine)
    check_same_brain(head.brain, head.brain)
    with pytest.raises(ImageError, match="overlap by"):
        check_same_brain(head.brain, moved)


def test_a_case_whose_face_cannot_be_removed_stays_out_of_the_archive(tmp_path):
    folder = tmp_path / "set"
    kept = add_flair(folder, tmp_path / "in", 1).case
    flair, mask, head = examination(tmp_path / "in", 2)
    half = np.asarray(head.flair.dataobj).copy()
    half[: half.shape[0] // 2 - 4] = 0
    nib.save(nib.Nifti1Image(half.astype(np.float32), head.flair.affine), flair)
    lost = add_case(AddRequest(folder, "flair", {"flair": flair}, mask)).case
    exported = export_archive(folder, tmp_path / "cases.zip", strip_face=True)
    assert exported.training + exported.validation == 1
    assert any(lost.case_id in finding.sentence for finding in exported.findings)
    with zipfile.ZipFile(tmp_path / "cases.zip") as packed:
        names = "\n".join(packed.namelist())
        roll = packed.read("participants.tsv").decode()
        assert json.loads(packed.read(MANIFEST))["face_removed"] is True
    assert kept.subject in names and lost.subject not in names + roll
    alone = tmp_path / "alone"
    add_case(AddRequest(alone, "flair", {"flair": flair}, mask))
    with pytest.raises(SettingsError, match="no cases that can be exported"):
        export_archive(alone, tmp_path / "none.zip", strip_face=True)
    assert not (tmp_path / "none.zip").exists()
