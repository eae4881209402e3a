"""Cases travel in a zip file of which nothing is trusted, and come together in a set without leaks."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.cases.adding import AddRequest, add_case
from MSLesionSegLib.cases.case_set import all_versions, read_cases
from MSLesionSegLib.cases.set_archive import export_archive, import_archive
from MSLesionSegLib.errors import OutputError, SettingsError
from phantoms.case_fixtures import add_flair, examination, repacked, save_like


def facts(folder: Path) -> set:
    return {
        (case.subject, case.task, case.version, case.split, case.site, case.review, case.contents["mask"])
        for case in all_versions(folder)
    }


@pytest.fixture
def archive(tmp_path) -> Path:
    """Two patients, one with a second correction and a draft."""
    folder = tmp_path / "set"
    add_flair(folder, tmp_path / "in", 1, site="north", split="validation", reviewer="r1")
    add_flair(folder, tmp_path / "in", 2, split="training")
    flair, _, head = examination(tmp_path / "in", 2)
    empty = save_like(head.flair, np.zeros(head.flair.shape), tmp_path / "empty.nii.gz")
    add_case(AddRequest(folder, "flair", {"flair": flair}, empty, draft=tmp_path / "in" / "mask_2.nii.gz"))
    export_archive(folder, tmp_path / "cases.zip")
    return tmp_path / "cases.zip"


def test_all_versions_of_all_cases_arrive_as_they_were(archive, tmp_path):
    imported = import_archive(tmp_path / "there", archive)
    assert facts(tmp_path / "there") == facts(tmp_path / "set") and len(facts(tmp_path / "there")) == 3
    assert [case.version for case in imported.added] in ([1, 2], [2, 1])
    assert not imported.findings and not read_cases(tmp_path / "there").findings
    again = import_archive(tmp_path / "there", archive)
    assert (again.added, again.known) == ((), 3)
    assert facts(tmp_path / "there") == facts(tmp_path / "set")
    (tmp_path / "set" / ".lock").unlink(missing_ok=True)
    export_archive(tmp_path / "set", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def corrected(folder: Path, work: Path, first: int) -> None:
    """File the mask of patient 1 without what lies left of ``first`` as the next correction."""
    flair, _, head = examination(work, 1)
    fewer = np.asarray(head.lesions.dataobj).copy()
    fewer[:first] = 0
    mask = save_like(head.flair, fewer, work / "corrected.nii.gz")
    add_case(AddRequest(folder, "flair", {"flair": flair}, mask, split="training"))


def masks(folder: Path) -> list[str]:
    return [case.contents["mask"] for case in all_versions(folder)]


A, B, C = 0, 16, 24


@pytest.mark.parametrize(
    ("here", "there", "comes"),
    [
        ((), (A, B, A), (A, B, A)),
        ((A,), (A, B, A), (A, B, A)),  # also what a stopped import leaves
        ((A, B), (A, B, A), (A, B, A)),
        ((A, B), (A,), (A, B)),
        ((A, B, C), (A, C), (A, B, C)),
        ((A, B), (A, C), (A, B, C)),
        ((B,), (A, B), (B, A, B)),
        ((A, B, C), (A, C, B, C), (A, B, C)),
    ],
)
def test_the_newest_mask_elsewhere_is_the_newest_here_unless_the_set_went_on(tmp_path, here, there, comes):
    folders = {}
    for name, history in {"here": here, "there": there, "comes": comes}.items():
        folders[name] = tmp_path / name
        for first in history:
            corrected(folders[name], tmp_path / "in", first)
    export_archive(folders["there"], tmp_path / "cases.zip")
    import_archive(folders["here"], tmp_path / "cases.zip")
    assert masks(folders["here"]) == masks(folders["comes"])
    again = import_archive(folders["here"], tmp_path / "cases.zip")
    assert (again.added, again.known) == ((), len(there)) and not again.findings
    assert masks(folders["here"]) == masks(folders["comes"])


@pytest.mark.parametrize("name", ["a file/cases.zip", "a file/below/cases.zip", "n" * 300 + "/cases.zip"])
def test_an_archive_at_an_impossible_place_is_told_in_a_sentence(tmp_path, name):
    add_flair(tmp_path / "set", tmp_path / "in", 1)
    (tmp_path / "a file").write_text("1")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=r"cannot be written|too long"):
        export_archive(tmp_path / "set", tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_archive_holds_no_dates(archive):
    with zipfile.ZipFile(archive) as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_scan_that_is_measured_on_here_is_not_trained_on_after_an_import(archive, tmp_path):
    here = tmp_path / "here"
    mine = add_flair(here, tmp_path / "in", 2, split="validation").case
    imported = import_archive(here, archive)
    assert {finding.code for finding in imported.findings} == {"case-side"}
    found = read_cases(here)
    assert not found.training and len(found.validation) == 2
    newest = next(case for case in found.cases if case.subject == mine.subject)
    assert newest.version == 2 and newest.lesions == 0


def test_a_patient_known_by_one_scan_keeps_id_and_side_for_all_that_is_imported(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    mine = add_flair(here, tmp_path / "in", 1, split="validation").case
    same = add_flair(there, tmp_path / "in", 1, split="training").case
    add_flair(there, tmp_path / "in", 2, subject=same.subject)
    export_archive(there, tmp_path / "cases.zip")
    imported = import_archive(here, tmp_path / "cases.zip")
    assert [case.subject for case in imported.added] == [mine.subject]
    found = read_cases(here)
    assert len(found.validation) == 2 and not found.training


def test_a_patient_who_is_two_here_is_left_out(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    add_flair(here, tmp_path / "in", 1, split="validation")
    add_flair(here, tmp_path / "in", 2, split="training")
    same = add_flair(there, tmp_path / "in", 1, split="training").case
    for seed in (2, 3):
        add_flair(there, tmp_path / "in", seed, subject=same.subject)
    export_archive(there, tmp_path / "cases.zip")
    imported = import_archive(here, tmp_path / "cases.zip")
    assert not imported.added and imported.known == 2
    assert "under different ids" in imported.findings[-1].sentence
    assert len(read_cases(here).cases) == 2


def test_an_archive_is_never_overwritten(archive, tmp_path):
    with pytest.raises(OutputError, match="exists already"):
        export_archive(tmp_path / "set", archive)


def test_faces_can_be_left_behind(tmp_path):
    flair, mask, head = examination(tmp_path / "in", 1)
    whole = np.asarray(head.flair.dataobj).copy()
    corner = np.asarray(head.brain.dataobj) == 0
    corner[3:, :, :] = False
    whole[corner] = 90  # a "face" apart from the brain: the scan still looks brain-extracted to the program
    stored = np.round(whole).astype(np.int16)
    image = nib.Nifti1Image(stored, head.flair.affine)
    image.header.set_slope_inter(0.5, -10.0)
    nib.save(image, flair)
    folder = tmp_path / "set"
    case = add_case(AddRequest(folder, "flair", {"flair": flair}, mask)).case
    export_archive(folder, tmp_path / "cases.zip", strip_face=True)
    moved = import_archive(tmp_path / "there", tmp_path / "cases.zip").added[0]
    before, after = nib.load(case.images["flair"]), nib.load(moved.images["flair"])
    assert moved.scans == case.scans and moved.contents["flair"] != case.contents["flair"]
    assert after.get_data_dtype() == np.int16
    outside = np.asarray(head.brain.dataobj) == 0
    lesions = np.asarray(head.lesions.dataobj) > 0
    assert (np.asarray(before.dataobj)[corner] == 35).all()
    assert (np.asarray(after.dataobj)[corner] == 0).all()
    np.testing.assert_array_equal(np.asarray(after.dataobj)[lesions], np.asarray(before.dataobj)[lesions])
    assert np.count_nonzero(np.asarray(after.dataobj)[outside]) < 0.1 * np.count_nonzero(outside)
    assert read_cases(tmp_path / "there").cases == (moved,)
    again = import_archive(folder, tmp_path / "cases.zip")
    assert (again.added, again.known) == ((), 1)


def rename(entries, manifest, old, new):
    entries[new] = entries.pop(old)
    manifest["files"][new] = manifest["files"].pop(old)


def slip(entries, manifest):
    rename(entries, manifest, "README", "../outside.txt")


def absolute(entries, manifest):
    rename(entries, manifest, "README", "/outside.txt")


def backslash(entries, manifest):
    rename(entries, manifest, "README", "..\\outside.txt")


def wrong_hash(entries, manifest):
    entries["README"] = entries["README"].swapcase()


def too_large(entries, manifest):
    manifest["files"]["README"]["bytes"] -= 1


def extra(entries, manifest):
    entries["virus.exe"] = b"MZ"


def missing(entries, manifest):
    del entries["README"]


def other_kind(entries, manifest):
    manifest["kind"] = "replay buffer"


def newer(entries, manifest):
    manifest["format"] = 99


def no_manifest(entries, manifest):
    manifest.clear()


def deep_manifest(entries, manifest):
    manifest["deep"] = json.loads("[" * 50 + "]" * 50)


def size_in_words(entries, manifest):
    manifest["files"]["README"]["bytes"] = "many"


@pytest.mark.parametrize(
    "change",
    [
        deep_manifest,
        size_in_words,
        slip,
        absolute,
        backslash,
        wrong_hash,
        too_large,
        extra,
        missing,
        other_kind,
        newer,
        no_manifest,
    ],
)
def test_an_archive_that_is_not_as_it_should_be_is_refused_as_a_whole(archive, tmp_path, change):
    with pytest.raises(SettingsError):
        import_archive(tmp_path / "there", repacked(archive, change))
    assert not (tmp_path / "there").exists()
    assert not list(tmp_path.rglob("*outside*"))


def fitting(entries, manifest, name, content):
    """Replace an entry; the manifest follows."""
    entries[name] = content
    manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_what_an_archive_promises_is_judged_before_anything_is_unpacked(archive, tmp_path):
    """The size of the last file is told wrong, and the first one, which unpacking would stop at, is another."""

    def promise_more(entries, manifest):
        wrong_hash(entries, manifest)
        assert next(iter(entries)) == "README"
        manifest["files"][list(entries)[-1]]["bytes"] = 1 << 40

    with pytest.raises(SettingsError, match=r"is not what the manifest says") as refused:
        import_archive(tmp_path / "there", repacked(archive, promise_more))
    assert "README" not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["dataset_description.json", "participants.tsv", "derivatives/manual/splits.json"]
)
@pytest.mark.parametrize("content", [b"[" * 99_999, b"\xff", b""])
def test_a_refused_archive_is_named_and_not_the_folder_where_it_was_unpacked(
    archive, tmp_path, name, content
):
    changed = repacked(archive, lambda entries, manifest: fitting(entries, manifest, name, content))
    with pytest.raises(SettingsError, match=r"changed\.zip") as refused:
        import_archive(tmp_path / "there", changed)
    assert "mslesionseg-import" not in str(refused.value)


@pytest.mark.parametrize("content", [b'{"Task":' * 50_000, b"not an image"])
def test_a_case_that_is_left_out_is_named_by_its_place_in_the_archive(archive, tmp_path, content):
    end = ".nii.gz" if b"image" in content else "_mask.json"

    def spoil(entries, manifest):
        name = next(name for name in entries if name.startswith("derivatives") and name.endswith(f"{end}"))
        fitting(entries, manifest, name, content)

    imported = import_archive(tmp_path / "there", repacked(archive, spoil))
    (finding,) = imported.findings
    assert "left out" in finding.sentence and "mslesionseg-import" not in finding.sentence
    assert len(facts(tmp_path / "there")) == 2


def test_a_changed_mask_of_which_the_hashes_were_made_to_fit_is_left_out(archive, tmp_path):
    """Whoever can write a manifest can also write hashes; the cases themselves are checked as well."""

    def forge(entries, manifest):
        name = next(name for name in entries if name.endswith("desc-v1_mask.nii.gz"))
        other = next(name for name in entries if name.endswith("_FLAIR.nii.gz"))
        fitting(entries, manifest, name, entries[other])

    imported = import_archive(tmp_path / "there", repacked(archive, forge))
    assert len(imported.findings) == 1 and "left out" in imported.findings[0].sentence
    assert len(facts(tmp_path / "there")) == 2


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 cut off"])
def test_what_is_no_zip_file_is_refused(tmp_path, content):
    (tmp_path / "cases.zip").write_bytes(content)
    with pytest.raises(SettingsError, match="damaged"):
        import_archive(tmp_path / "there", tmp_path / "cases.zip")
    with pytest.raises(SettingsError, match="not found"):
        import_archive(tmp_path / "there", tmp_path / "none.zip")


def test_a_record_with_free_text_is_no_case(archive, tmp_path):
    folder = tmp_path / "set"
    for case in all_versions(folder):
        record = case.mask.with_name(case.mask.name.replace(".nii.gz", ".json"))
        content = json.loads(record.read_text())
        content["Review"]["reviewer"] = "Dr. John Doe"
        record.write_text(json.dumps(content))
    assert not read_cases(folder).cases
    shutil.rmtree(folder)
