"""The result folder: names, images without patient text, all or nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.files import atomic
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.jobs.job import ExitCode, run_job
from MSLesionSegLib.segmentation import result_folder as outputs
from MSLesionSegLib.segmentation.result_folder import (
    check_output,
    output_names,
    save_image,
    staged,
    stem_of,
    write_manifest,
)

TASK = "flair"


def make_result(folder: Path, text: str, task: str = TASK) -> None:
    with staged(folder, task, overwrite=folder.exists()) as work:
        (work / "mask.txt").write_text(text)
        write_manifest({"program": "mslesionseg", "task": task, "files": {"mask": "mask.txt"}}, work)


def listing(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


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


@pytest.mark.skipif(sys.platform != "linux", reason="uses a file size limit of the system as a full disk")
def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(tmp_path):
    code = textwrap.dedent(f"""
        import resource
        from pathlib import Path
        from MSLesionSegLib.errors import OutputError
        from MSLesionSegLib.segmentation.result_folder import staged
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            with staged(Path({str(tmp_path)!r}) / "out", "flair") as work:
                (work / "big.bin").write_bytes(bytes(5000))
        except OutputError as error:
            print(error)
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no room" in done.stdout
    assert listing(tmp_path) == []


def test_a_replacement_that_was_interrupted_between_two_renames_is_undone(tmp_path):
    make_result(tmp_path / ".out.previous", "old")
    check_output(tmp_path / "out", TASK, overwrite=True)
    assert (tmp_path / "out" / "mask.txt").read_text() == "old"


def test_what_a_killed_run_left_is_cleared_later_but_not_while_it_may_be_alive(tmp_path):
    young, old = tmp_path / ".out.unfinished-1", tmp_path / ".out.unfinished-2"
    young.mkdir()
    old.mkdir()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    check_output(tmp_path / "out", TASK, overwrite=False)
    assert listing(tmp_path) == [young.name]


def stop_twice(function):
    """A person who loses patience just when ``function`` is at work."""

    def stopped(*arguments, **settings):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return function(*arguments, **settings)

    return stopped


@pytest.mark.parametrize(
    ("place", "step"), [(outputs, "_check_existing"), (atomic, "_replace"), (atomic, "_exchange")]
)
def test_stopping_while_the_result_takes_its_place_leaves_the_whole_result(
    tmp_path, monkeypatch, place, step
):
    out = tmp_path / "out"
    make_result(out, "old")
    monkeypatch.setattr(place, step, stop_twice(getattr(place, step)))
    outcome = run_job("test", lambda job: make_result(out, "new"), stages={"work": 1.0})
    assert outcome.code == ExitCode.DONE
    assert (out / "mask.txt").read_text() == "new"
    assert listing(tmp_path) == ["out"]


def test_stopping_while_an_unfinished_result_is_cleared_leaves_nothing(tmp_path, monkeypatch):
    def work(job):
        with staged(tmp_path / "out", TASK) as folder:
            (folder / "mask.txt").write_text("half")
            job.cancel()
            job.stage("work")

    monkeypatch.setattr(atomic.shutil, "rmtree", stop_twice(shutil.rmtree))
    assert run_job("test", work, stages={"work": 1.0}).code == ExitCode.CANCELLED
    assert listing(tmp_path) == []


@pytest.fixture
def interruptible():
    """Ctrl-C works as in a terminal, also where the tests run in the background, with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_without_a_job_a_signal_is_put_off_and_not_lost(tmp_path, monkeypatch):
    out = tmp_path / "out"
    make_result(out, "old")
    monkeypatch.setattr(atomic, "_replace", stop_twice(atomic._replace))
    with pytest.raises(KeyboardInterrupt):
        make_result(out, "new")
    assert (out / "mask.txt").read_text() == "new"
    assert listing(tmp_path) == ["out"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_images_carry_the_geometry_and_none_of_the_text(tmp_path):
    affine = np.array([[-0.9, 0.1, 0, 80.0], [0.1, 0.9, 0, -70], [0, 0, 3.0, -40], [0, 0, 0, 1]])
    affine[:3, :3] = np.linalg.qr(affine[:3, :3])[0] @ np.diag([0.9, 0.9, 3.0])
    reference = nib.Nifti1Image(np.zeros((5, 6, 4), np.float32), affine)
    reference.header["descrip"] = b"DOE^JOHN"
    reference.header["db_name"] = b"DOE^JOHN"
    reference.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"DOE^JOHN"))
    save_image(np.ones((5, 6, 4), np.uint8), reference, tmp_path / "mask.nii")
    saved = nib.load(tmp_path / "mask.nii")
    assert saved.get_data_dtype() == np.uint8
    assert saved.shape == (5, 6, 4)
    assert np.abs(saved.affine - affine).max() < 1e-4
    assert np.abs(saved.get_qform() - affine).max() < 1e-4
    assert int(saved.header["sform_code"]) > 0
    assert b"DOE" not in (tmp_path / "mask.nii").read_bytes()


@pytest.mark.parametrize("agree", [True, False])
@pytest.mark.parametrize("qform_code", [0, 1, 2])
@pytest.mark.parametrize("sform_code", [0, 1, 2])
def test_every_reader_finds_the_mask_where_it_finds_the_scan(tmp_path, sform_code, qform_code, agree):
    """The readers disagree on which of the two positions counts, so the mask has both of them."""
    sitk = pytest.importorskip("SimpleITK")
    turned = nib.eulerangles.euler2mat(0.3, -0.2, 0.1)
    sform = nib.affines.from_matvec(turned @ np.diag([3.5, 4, 5]), [-30, -50, -20])
    qform = sform if agree else nib.affines.from_matvec(np.diag([-3.5, 4, 5]), [40, -30, 10])
    values = np.random.default_rng(0).random((20, 22, 16)).astype(np.float32)
    header = nib.Nifti1Header()
    header.set_data_shape(values.shape)
    header.set_qform(qform, qform_code)
    header.set_sform(sform, sform_code)
    nib.save(nib.Nifti1Image(values, None, header), tmp_path / "scan.nii.gz")
    stored = nib.load(tmp_path / "scan.nii.gz")
    assert (int(stored.header["sform_code"]), int(stored.header["qform_code"])) == (sform_code, qform_code)

    save_image(
        np.ones((20, 22, 16), np.uint8), read_scan(tmp_path / "scan.nii.gz").image, tmp_path / "mask.nii.gz"
    )

    mask = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(mask.affine, stored.affine)
    for field in ("pixdim", "sform_code", "qform_code"):
        np.testing.assert_array_equal(mask.header[field], stored.header[field])
    np.testing.assert_array_equal(mask.get_qform(), stored.get_qform())
    one, other = (sitk.ReadImage(str(tmp_path / name)) for name in ("scan.nii.gz", "mask.nii.gz"))
    for place in ("GetOrigin", "GetSpacing", "GetDirection", "GetSize"):
        assert getattr(one, place)() == getattr(other, place)()


def test_the_same_image_gives_the_same_bytes(tmp_path):
    reference = nib.Nifti1Image(np.zeros((9, 9, 9), np.float32), np.eye(4))
    data = np.random.default_rng(0).random((9, 9, 9)).astype(np.float32)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        save_image(data, reference, tmp_path / name / "p.nii.gz")
        time.sleep(0.01)
    assert (tmp_path / "one/p.nii.gz").read_bytes() == (tmp_path / "two/p.nii.gz").read_bytes()


def test_the_manifest_is_plain_json(tmp_path):
    path = write_manifest({"program": "mslesionseg", "counts": {"lesions": 3}}, tmp_path)
    assert json.loads(path.read_text())["counts"]["lesions"] == 3


def test_a_place_that_is_not_there_is_told(tmp_path, monkeypatch):
    with pytest.raises(OutputError, match="nobody-of-this-name"):
        check_output(Path("~nobody-of-this-name/out"), TASK, overwrite=False)
    monkeypatch.setattr(Path, "exists", lambda _: False)  # as on a drive that was unplugged
    with pytest.raises(OutputError, match="a drive that is not there"):
        check_output(tmp_path / "out", TASK, overwrite=False)
