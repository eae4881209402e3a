"""What the reviewer changed is counted; damaged cases are left out, removed ones leave nothing behind."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.cases.adding import AddRequest, add_case, remove_case
from MSLesionSegLib.cases.case_set import read_cases
from MSLesionSegLib.cases.checking import check_cases
from MSLesionSegLib.cases.corrections import ADDED, REJECTED, corrections
from MSLesionSegLib.errors import Cancelled, SettingsError
from MSLesionSegLib.jobs.progress import Silent
from phantoms.case_fixtures import SHAPE, add_flair, examination, files, save_like
from phantoms.phantom import centred


def test_what_the_reviewer_changed_is_counted_and_found_again(tmp_path):
    flair, _, head = examination(tmp_path / "in", 1)
    truth = np.asarray(head.lesions.dataobj)
    proposed = truth.copy()
    proposed[:20] = 0  # lesions on one side were missed
    proposed[30:32, 4:6, 10:12] = 1  # and one was made up
    mask = save_like(head.flair, truth, tmp_path / "mask.nii.gz")
    draft = save_like(head.flair, proposed, tmp_path / "draft.nii.gz")
    case = add_case(AddRequest(tmp_path / "set", "flair", {"flair": flair}, mask, draft=draft)).case
    assert (case.review.lesions_added, case.review.lesions_rejected) == (2, 1)
    assert (case.review.voxels_added, case.review.voxels_removed) == (int(truth[:20].sum()), 8)
    regions = np.asarray(corrections(case).dataobj)
    np.testing.assert_array_equal(regions == ADDED, (truth > 0) & (proposed == 0))
    np.testing.assert_array_equal(regions == REJECTED, (proposed > 0) & (truth == 0))


def test_a_redrawn_border_is_neither_added_nor_rejected(tmp_path):
    flair, mask, head = examination(tmp_path / "in", 1)
    shifted = np.roll(np.asarray(head.lesions.dataobj), 1, axis=0)
    draft = save_like(head.flair, shifted, tmp_path / "draft.nii.gz")
    case = add_case(AddRequest(tmp_path / "set", "flair", {"flair": flair}, mask, draft=draft)).case
    assert not np.asarray(corrections(case).dataobj).any()
    assert case.review.voxels_added > 0 and case.review.lesions_added == 0


def damage_grid(case):
    nib.save(nib.Nifti1Image(np.zeros((5, 5, 5), np.uint8), np.eye(4)), case.mask)


def damage_values(case):
    image = nib.load(case.images["flair"])
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj) + 1, image.affine), case.images["flair"])


def damage_nan(case):
    image = nib.load(case.images["flair"])
    nib.save(nib.Nifti1Image(np.full(image.shape, np.nan, np.float32), image.affine), case.images["flair"])


def damage_empty(case):
    image = nib.load(case.images["flair"])
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.float32), image.affine), case.images["flair"])


def damage_missing(case):
    case.images["flair"].unlink()


def damage_record(case):
    record = case.mask.with_name(case.mask.name.replace(".nii.gz", ".json"))
    record.write_text('{"Images": {"flair": "../../../etc/passwd"}}')


@pytest.mark.parametrize(
    "damage", [damage_grid, damage_values, damage_nan, damage_empty, damage_missing, damage_record]
)
def test_a_bad_case_is_named_and_left_out(tmp_path, damage):
    good, bad = (add_flair(tmp_path / "set", tmp_path / "in", seed).case for seed in (1, 2))
    damage(bad)
    found = read_cases(tmp_path / "set")
    assert found.cases == (good,)
    (finding,) = found.findings
    assert bad.subject in finding.sentence and "left out" in finding.sentence


def test_a_removed_case_leaves_nothing_behind_but_what_others_need(tmp_path):
    folder = tmp_path / "set"
    kept = add_flair(folder, tmp_path / "in", 1).case
    before = files(folder)
    gone = add_flair(folder, tmp_path / "in", 2).case
    flair, _, head = examination(tmp_path / "in", 2)
    empty = save_like(head.flair, np.zeros(head.flair.shape), tmp_path / "empty.nii.gz")
    add_case(AddRequest(folder, "flair", {"flair": flair}, empty))
    remove_case(folder, gone.case_id)
    assert read_cases(folder).cases == (kept,)
    assert files(folder) == before
    assert not (folder / gone.subject).exists()
    with pytest.raises(SettingsError, match=f"There is no case.*{kept.case_id}"):
        remove_case(folder, gone.case_id)


def test_slicer_s_file_of_the_mask_is_kept_beside_it_and_goes_with_the_case(tmp_path):
    folder = tmp_path / "set"
    flair, mask, _ = examination(tmp_path / "in", 1)
    drawn = tmp_path / "drawn.seg.nrrd"
    drawn.write_bytes(b"NRRD0004\n")
    case = add_case(AddRequest(folder, "flair", {"flair": flair}, mask, segmentation=drawn)).case
    assert case.segmentation.read_bytes() == drawn.read_bytes()
    assert case.segmentation.name == case.mask.name.replace(".nii.gz", ".seg.nrrd")
    assert (folder / "derivatives/manual/.bidsignore").read_text() == "*.seg.nrrd\n"
    assert not [finding for finding in check_cases(folder) if finding.code == "left-over"]
    remove_case(folder, case.case_id)
    assert not list(folder.rglob("*.seg.nrrd"))


def test_another_file_is_no_segmentation_of_slicer(tmp_path):
    flair, mask, _ = examination(tmp_path / "in", 1)
    with pytest.raises(SettingsError, match="not a segmentation of 3D Slicer"):
        add_case(AddRequest(tmp_path / "set", "flair", {"flair": flair}, mask, segmentation=mask))
    assert not (tmp_path / "set").exists()


def test_removing_one_case_keeps_the_scan_that_another_one_needs(tmp_path):
    folder = tmp_path / "set"
    baseline, _, _ = examination(tmp_path / "in", 1)
    followup, mask, _ = examination(tmp_path / "in", 2)
    whole = add_case(AddRequest(folder, "flair", {"flair": followup}, mask)).case
    case = add_case(AddRequest(folder, "new", {"baseline": baseline, "followup": followup}, mask)).case
    remove_case(folder, whole.case_id)
    assert read_cases(folder, "new").cases == (case,)


def test_a_mask_of_new_lesions_may_lie_on_either_scan(tmp_path):
    baseline, _, _ = examination(tmp_path / "in", 1)
    followup, mask, _ = examination(tmp_path / "in", 2, centred((3, 3, 3), np.eye(3), SHAPE))
    images = {"baseline": baseline, "followup": followup}
    case = add_case(AddRequest(tmp_path / "set", "new", images, mask)).case
    assert case.grid == "followup" and case.reference == case.images["followup"]
    assert read_cases(tmp_path / "set", "new").cases == (case,)


def test_a_person_who_stops_at_the_last_moment_finds_the_set_as_it_was(tmp_path):
    class Stopping(Silent):
        def stage(self, name: str, fraction: float = 0.0) -> None:
            if (name, fraction) == ("store case", 1.0):
                raise Cancelled

    folder = tmp_path / "set"
    add_flair(folder, tmp_path / "in", 1)
    before = files(folder)
    flair, mask, _ = examination(tmp_path / "in", 2)
    with pytest.raises(Cancelled):
        add_case(AddRequest(folder, "flair", {"flair": flair}, mask), Stopping())
    assert files(folder) == before
