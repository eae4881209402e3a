"""``cases check`` names everything that is wrong, and nothing else."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.cases.adding import AddRequest, add_case
from MSLesionSegLib.cases.case_set import read_cases
from MSLesionSegLib.cases.checking import check_cases
from phantoms.case_fixtures import add_flair, examination, save_like


def told(folder):
    return {(finding.case, finding.code, finding.bad) for finding in check_cases(folder)}


def test_a_good_set_has_no_findings(tmp_path):
    for seed in (1, 2):
        flair, _, head = examination(tmp_path / "in", seed)
        mask = np.asarray(head.lesions.dataobj).copy()
        mask[: 10 * seed] = 0
        add_case(
            AddRequest(
                tmp_path / "set",
                "flair",
                {"flair": flair},
                save_like(head.flair, mask, tmp_path / "m.nii.gz"),
            )
        )
    for seed in (3, 4):  # empty masks are alike without being the same
        flair, _, head = examination(tmp_path / "in", seed)
        empty = save_like(head.flair, np.zeros(head.flair.shape), tmp_path / "m.nii.gz")
        add_case(AddRequest(tmp_path / "set", "flair", {"flair": flair}, empty))
    assert told(tmp_path / "set") == set()


@pytest.mark.parametrize(("share", "bad"), [(0.3, False), (0.8, True)])
def test_a_mask_outside_the_brain_is_named(tmp_path, share, bad):
    flair, _, head = examination(tmp_path / "in", 1)
    inside = np.flatnonzero(np.asarray(head.lesions.dataobj))[:20]
    outside = np.flatnonzero(np.asarray(head.brain.dataobj) == 0)[: round(20 * share / (1 - share))]
    mask = np.zeros(head.flair.shape)
    mask.flat[np.concatenate([inside, outside])] = 1
    case = add_case(
        AddRequest(
            tmp_path / "set", "flair", {"flair": flair}, save_like(head.flair, mask, tmp_path / "m.nii.gz")
        )
    ).case
    assert told(tmp_path / "set") == {(case.case_id, "outside-brain", bad)}


def test_a_damaged_case_and_a_mask_of_another_scan_are_named(tmp_path):
    first, second = (add_flair(tmp_path / "set", tmp_path / "in", seed).case for seed in (1, 2))
    later = max(first, second, key=lambda case: case.case_id)
    assert told(tmp_path / "set") == {(later.case_id, "same-mask", False)}
    image = nib.load(first.images["flair"])
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj) * 2, image.affine), first.images["flair"])
    assert told(tmp_path / "set") == {(later.case_id, "same-mask", False), (first.case_id, "image", True)}


def test_a_scan_under_two_patients_is_named_and_the_measured_one_is_kept(tmp_path):
    """Such a set can only be made by hand: adding and importing notice the scan."""
    folder = tmp_path / "set"
    trained = add_flair(folder, tmp_path / "in", 1, split="training").case
    other = add_flair(folder, tmp_path / "in", 2, split="validation").case
    record = other.mask.with_name(other.mask.name.replace(".nii.gz", ".json"))
    content = json.loads(record.read_text())
    content["Scans"] = dict(trained.scans)
    record.write_text(json.dumps(content))
    assert (trained.case_id, "repeated", True) in told(folder)
    found = read_cases(folder)
    assert found.cases[0].case_id == other.case_id and len(found.cases) == 1
    assert "another patient" in found.findings[0].sentence


def test_files_of_no_case_and_damaged_records_are_named(tmp_path):
    folder = tmp_path / "set"
    case = add_flair(folder, tmp_path / "in", 1).case
    stray = case.mask.with_name("notes.txt")
    stray.write_text("later")
    findings = check_cases(folder)
    assert [(f.code, f.bad) for f in findings] == [("left-over", False)]
    assert "notes.txt" in findings[0].sentence
    stray.unlink()
    case.mask.with_name(case.mask.name.replace(".nii.gz", ".json")).write_text("{}")
    findings = check_cases(folder)
    assert ("case-record", True) in {(f.code, f.bad) for f in findings}
    assert not read_cases(folder).cases
