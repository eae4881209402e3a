"""The result folder: names, and what is never replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.segmentation.result_folder import (
    check_output,
    output_names,
    staged,
    stem_of,
)
from phantoms.stored_results import TASK, listing, make_result


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("sub-01_ses-02_FLAIR.nii.gz", "sub-01_ses-02"),
        ("sub-01_acq-3D_run-1.nii", "sub-01_acq-3D_run-1"),
        ("my scan (2).NII.GZ", "my-scan-2"),
        ("flair.nrrd", "flair"),
        ("scan.v2.nii.gz", "scan.v2"),
        ("DOE^JOHN", "flair"),
        ("....nii", "flair"),
    ],
)
def test_names_start_with_the_input_name_but_never_with_a_dicom_folder_name(name, stem):
    assert stem_of(Path("/somewhere") / name) == stem


def test_names_follow_bids_derivatives():
    names = output_names("sub-01", uncertainty=True)
    assert names["mask"] == "sub-01_label-lesion_mask.nii.gz"
    assert names["probability"] == "sub-01_label-lesion_probseg.nii.gz"
    assert names["lesions"] == "sub-01_label-lesion_dseg.nii.gz"
    assert names["brain"] == "sub-01_desc-brain_mask.nii.gz"
    assert "uncertainty" not in output_names("sub-01")


def test_a_result_appears_under_its_name_only_when_it_is_complete(tmp_path):
    out = tmp_path / "out"
    with staged(out, TASK) as work:
        (work / "a.txt").write_text("a")
        assert not out.exists()
    assert listing(out) == ["a.txt"]
    assert listing(tmp_path) == ["out"]


def test_a_failed_result_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), staged(tmp_path / "out", TASK) as work:
        (work / "a.txt").write_text("a")
        raise ZeroDivisionError
    assert listing(tmp_path) == []


def test_a_failed_replacement_leaves_the_old_result(tmp_path):
    out = tmp_path / "out"
    make_result(out, "old")
    with pytest.raises(KeyboardInterrupt), staged(out, TASK, overwrite=True) as work:
        (work / "mask.txt").write_text("new")
        raise KeyboardInterrupt
    assert (out / "mask.txt").read_text() == "old"
    assert listing(tmp_path) == ["out"]


def test_overwrite_replaces_the_whole_result(tmp_path):
    out = tmp_path / "out"
    make_result(out, "old")
    make_result(out, "new")
    assert listing(out) == ["mask.txt", "result.json"]
    assert (out / "mask.txt").read_text() == "new"
    assert listing(tmp_path) == ["out"]


def test_a_file_beside_the_result_is_never_lost(tmp_path):
    out = tmp_path / "out"
    make_result(out, "old")
    (out / "extra.txt").write_text("x")
    with pytest.raises(OutputError, match=r"lost: extra\.txt\."):
        check_output(out, TASK, overwrite=True)
    with pytest.raises(OutputError, match=r"extra\.txt"):  # also one that came while the work was done
        make_result(out, "new")
    assert listing(out) == ["extra.txt", "mask.txt", "result.json"]
    assert (out / "mask.txt").read_text() == "old"


def test_at_most_three_files_beside_the_result_are_named_and_folders_count(tmp_path):
    out = tmp_path / "out"
    make_result(out, "old")
    for name in "abcd":
        (out / name).mkdir()
    with pytest.raises(OutputError, match="a, b, c and 1 more"):
        check_output(out, TASK, overwrite=True)


def test_what_file_managers_leave_is_no_file_of_the_users(tmp_path):
    out = tmp_path / "out"
    make_result(out, "old")
    (out / ".DS_Store").touch()
    make_result(out, "new")
    assert listing(out) == ["mask.txt", "result.json"]


def test_a_result_of_another_command_is_never_replaced(tmp_path):
    out = tmp_path / "out"
    make_result(out, "old", task="evaluate")
    with pytest.raises(OutputError, match="another command"):
        check_output(out, TASK, overwrite=True)
    with pytest.raises(OutputError, match="another command"):
        make_result(out, "new")
    assert (out / "mask.txt").read_text() == "old"


def test_a_manifest_of_unknown_content_is_no_result(tmp_path):
    for content in ("[]", "{}", '{"program": "mslesionseg"}', '{"program": "other", "files": {}}', "broken"):
        (tmp_path / "result.json").write_text(content)
        with pytest.raises(OutputError, match="not a result"):
            check_output(tmp_path, TASK, overwrite=True)


def test_an_output_that_is_a_link_stays_one(tmp_path):
    make_result(tmp_path / "disk" / "out", "old")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "out")
    make_result(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "out" / "mask.txt").read_text() == "new"
    assert listing(tmp_path / "disk") == ["out"]


def test_an_existing_result_is_refused_without_overwrite(tmp_path):
    out = tmp_path / "out"
    make_result(out, "old")
    with pytest.raises(OutputError, match="--overwrite"):
        check_output(out, TASK, overwrite=False)
    check_output(out, TASK, overwrite=True)
    assert (out / "mask.txt").read_text() == "old"


def test_a_folder_that_is_no_result_of_ours_is_never_replaced(tmp_path):
    out = tmp_path / "home"
    out.mkdir()
    (out / "thesis.txt").write_text("five years")
    with pytest.raises(OutputError, match="not a result"):
        check_output(out, TASK, overwrite=True)
    with pytest.raises(OutputError, match="not a result"), staged(out, TASK, overwrite=True):
        pass
    assert (out / "thesis.txt").exists()


def test_an_input_inside_the_replaced_folder_is_protected(tmp_path):
    out = tmp_path / "out"
    make_result(out, "old")
    (tmp_path / "link").symlink_to(out)
    for given in (out / "mask.txt", tmp_path / "link" / "mask.txt", out):
        with pytest.raises(OutputError, match="Move it first"):
            check_output(out, TASK, overwrite=True, inputs=[given])
    check_output(out, TASK, overwrite=True, inputs=[tmp_path / "out-of-it.txt", tmp_path])


def test_an_empty_folder_may_be_filled(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    check_output(out, TASK, overwrite=False)
    make_result(out, "first")
    assert (out / "mask.txt").read_text() == "first"


def test_the_check_alone_makes_nothing(tmp_path):
    check_output(tmp_path / "a" / "b" / "out", TASK, overwrite=False)
    assert listing(tmp_path) == []


def test_a_file_in_the_way_is_told_in_a_sentence(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="is a file"):
        check_output(tmp_path / "out", TASK, overwrite=True)
    with pytest.raises(OutputError, match="cannot be written"):
        check_output(tmp_path / "out" / "deeper", TASK, overwrite=False)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_without_permission_is_told_in_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="not allowed to write"):
            check_output(tmp_path / "out", TASK, overwrite=False)
    finally:
        tmp_path.chmod(0o700)


def test_a_place_that_is_not_there_is_told(tmp_path, monkeypatch):
    with pytest.raises(OutputError, match="nobody-of-this-name"):
        check_output(Path("~nobody-of-this-name/out"), TASK, overwrite=False)
    monkeypatch.setattr(Path, "exists", lambda _: False)  # as on a drive that was unplugged
    with pytest.raises(OutputError, match="a drive that is not there"):
        check_output(tmp_path / "out", TASK, overwrite=False)
