"""Corrected examinations become training cases: de-identified, versioned, whole or not at all."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.adding import AddRequest, add_case, remove_case
from MSLesionSegLib.cases.case_set import list_cases, read_cases
from MSLesionSegLib.cases.checking import check_cases
from MSLesionSegLib.cases.corrections import ADDED, REJECTED, corrections
from MSLesionSegLib.errors import Cancelled, ImageError, ModelError, SettingsError
from MSLesionSegLib.jobs.progress import Silent
from phantoms.case_fixtures import SHAPE, add_flair, examination, save_like
from phantoms.phantom import PATIENT_NAME, centred


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def test_a_case_is_read_as_it_was_added(tmp_path):
    flair, mask, head = examination(tmp_path / "in", 1)
    added = add_case(
        AddRequest(
            tmp_path / "set",
            "flair",
            {"flair": flair},
            mask,
            model="flair-ms",
            reviewer="r1",
            minutes=2.5,
            site="north",
        )
    )
    found = read_cases(tmp_path / "set")
    assert found.cases == (added.case,) and not found.findings and added.stored
    case = found.cases[0]
    assert (case.task, case.version, case.site, case.review.reviewer, case.review.minutes) == (
        ("flair", 1, "north", "r1", 2.5)
    )
    assert case.lesions == 4
    assert case.volume_mm3 == pytest.approx(float(np.asarray(head.lesions.dataobj).sum()) * 27)
    original, stored = nib.load(flair), nib.load(case.images["flair"])
    np.testing.assert_array_equal(np.asarray(stored.dataobj), np.asarray(original.dataobj))
    np.testing.assert_array_equal(stored.affine, original.affine)
    assert nib.aff2axcodes(stored.affine) == ("L", "A", "S")
    np.testing.assert_array_equal(np.asarray(nib.load(case.mask).dataobj), np.asarray(head.lesions.dataobj))


def test_the_voxels_of_a_scaled_integer_scan_stay_bit_for_bit(tmp_path):
    flair, mask, head = examination(tmp_path / "in", 1)
    stored = np.round(np.asarray(head.flair.dataobj) * 4).astype(np.int16)
    image = nib.Nifti1Image(stored, head.flair.affine)
    image.header.set_slope_inter(0.25, 3.0)
    nib.save(image, flair)
    case = add_case(AddRequest(tmp_path / "set", "flair", {"flair": flair}, mask)).case
    kept = nib.load(case.images["flair"])
    assert kept.get_data_dtype() == np.int16
    assert (kept.dataobj.slope, kept.dataobj.inter) == (0.25, 3.0)
    np.testing.assert_array_equal(np.asarray(kept.dataobj.get_unscaled()), stored)
    assert read_cases(tmp_path / "set").cases == (case,)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_a_nifti_2_scan_whose_slope_needs_double_precision_is_a_good_case(tmp_path, dtype):
    flair, mask, head = examination(tmp_path / "in", 1)
    stored = np.round(np.asarray(head.flair.dataobj)).clip(0, 200).astype(dtype)
    image = nib.Nifti2Image(stored, head.flair.affine)
    image.header.set_slope_inter(0.1234567890123, 3.1)
    nib.save(image, flair)
    case = add_case(AddRequest(tmp_path / "set", "flair", {"flair": flair}, mask)).case
    kept = nib.load(case.images["flair"])
    np.testing.assert_allclose(kept.get_fdata(), nib.load(flair).get_fdata(), rtol=1e-6)
    found = read_cases(tmp_path / "set")
    assert found.cases == (case,) and not found.findings


@pytest.mark.parametrize("text", ['{"EchoTime": 1' + "0" * 400 + "}", "[" * 100_000, '{"EchoTime": 1e999}'])
def test_nonsense_beside_a_scan_is_no_fact_about_its_scanner(tmp_path, text):
    flair, mask, _ = examination(tmp_path / "in", 1)
    flair.with_name(flair.name.replace(".nii.gz", ".json")).write_text(text)
    case = add_case(AddRequest(tmp_path / "set", "flair", {"flair": flair}, mask)).case
    assert not (tmp_path / "set" / layout.record_name(case_file(case, tmp_path))).exists()


def test_nothing_in_a_set_says_whose_scans_they_are(tmp_path):
    flair, mask, head = examination(tmp_path / "in", 1)
    sidecar = {
        "Manufacturer": "SIEMENS Healthineers",
        "ManufacturersModelName": "MAGNETOM Aera of Dr. DOE 1957",
        "MagneticFieldStrength": 1.5,
        "EchoTime": 0.1,
        "PatientName": PATIENT_NAME,
        "AcquisitionDateTime": "2026-01-02T03:04:05",
        "InstitutionName": "St. Elsewhere",
        "SeriesDescription": "DOE special",
    }
    flair.with_name(flair.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
    draft = save_like(head.flair, np.zeros(head.flair.shape), tmp_path / "in" / "DOE_draft.nii.gz")
    case = add_case(AddRequest(tmp_path / "set", "flair", {"flair": flair}, mask, draft=draft)).case
    facts = json.loads((tmp_path / "set" / layout.record_name(case_file(case, tmp_path))).read_text())
    assert facts == {
        "MagneticFieldStrength": 1.5,
        "EchoTime": 0.1,
        "Manufacturer": "Siemens",
        "ManufacturersModelName": "MAGNETOM Aera",
    }
    for path in (tmp_path / "set").rglob("*"):
        assert "DOE" not in path.name
        if path.is_file():
            content = path.read_bytes()
            content = gzip.decompress(content) if path.name.endswith(".gz") else content
            for text in (b"DOE", b"Elsewhere", b"2026-01", b"03:04"):
                assert text not in content, path.name


def case_file(case, tmp_path: Path) -> str:
    return case.images["flair"].relative_to(tmp_path / "set").as_posix()


def test_the_set_is_a_bids_dataset(tmp_path):
    case = add_flair(tmp_path / "set", tmp_path / "in", 1).case
    folder = tmp_path / "set"
    raw = json.loads((folder / "dataset_description.json").read_text())
    derived = json.loads((folder / "derivatives/manual/dataset_description.json").read_text())
    assert (raw["DatasetType"], derived["DatasetType"]) == ("raw", "derivative")
    assert raw["BIDSVersion"] and derived["GeneratedBy"][0]["Name"] == "MSLesionSeg"
    assert (folder / "participants.tsv").read_text().splitlines() == [
        "participant_id\tsite\tsplit",
        f"{case.subject}\tlocal\t{case.split}",
    ]
    stem = f"{case.subject}/ses-01/anat/{case.subject}_ses-01"
    assert files(folder) == {
        "dataset_description.json",
        "participants.tsv",
        "participants.json",
        "README",
        f"{stem}_FLAIR.nii.gz",
        "derivatives/manual/dataset_description.json",
        "derivatives/manual/splits.json",
        f"derivatives/manual/{stem}_label-lesion_desc-v1_mask.nii.gz",
        f"derivatives/manual/{stem}_label-lesion_desc-v1_mask.json",
    }


def test_a_second_correction_becomes_version_two_and_the_first_stays(tmp_path):
    first = add_flair(tmp_path / "set", tmp_path / "in", 1).case
    before = {name: (tmp_path / "set" / name).read_bytes() for name in files(tmp_path / "set")}
    flair, _, head = examination(tmp_path / "in", 1)
    fewer = np.asarray(head.lesions.dataobj).copy()
    fewer[: fewer.shape[0] // 2] = 0
    renamed = flair.rename(flair.with_name("another.nii.gz"))
    second = add_case(
        AddRequest(
            tmp_path / "set", "flair", {"flair": renamed}, save_like(head.flair, fewer, tmp_path / "m.nii.gz")
        )
    )
    assert (second.case.case_id, second.case.version) == (first.case_id, 2)
    assert [f.code for f in second.findings] == ["case-version"]
    assert read_cases(tmp_path / "set").cases == (second.case,)
    for name, content in before.items():
        assert (tmp_path / "set" / name).read_bytes() == content, f"{name} was overwritten"


@pytest.mark.parametrize("damage", [lambda record: record.write_text("{"), Path.unlink])
def test_a_mask_whose_record_is_damaged_or_gone_is_never_overwritten(tmp_path, damage):
    folder = tmp_path / "set"
    flair, _, head = examination(tmp_path / "in", 1)
    cases = []
    for first in (0, 16, 24):
        fewer = np.asarray(head.lesions.dataobj).copy()
        fewer[:first] = 0
        mask = save_like(head.flair, fewer, tmp_path / f"{first}.nii.gz")
        if len(cases) == 2:
            damage(cases[1].mask.with_name(cases[1].mask.name.replace(".nii.gz", ".json")))
        before = {name: (folder / name).read_bytes() for name in files(folder) if "desc-v" in name}
        added = add_case(AddRequest(folder, "flair", {"flair": flair}, mask))
        cases.append(added.case)
    assert [case.version for case in cases] == [1, 2, 3] and "version 3" in added.findings[-1].sentence
    for name, content in before.items():
        assert (folder / name).read_bytes() == content, f"{name} was overwritten"


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


def test_a_mask_on_another_grid_is_refused_and_nothing_changes(tmp_path):
    flair, _, head = examination(tmp_path / "in", 1)
    turned = nib.as_closest_canonical(head.lesions)
    nib.save(turned, tmp_path / "turned.nii.gz")
    with pytest.raises(ImageError, match="away from the image"):
        add_case(AddRequest(tmp_path / "set", "flair", {"flair": flair}, tmp_path / "turned.nii.gz"))
    assert not (tmp_path / "set").exists()


def test_an_empty_mask_is_a_case_without_lesions(tmp_path):
    flair, _, head = examination(tmp_path / "in", 1)
    empty = save_like(head.flair, np.zeros(head.flair.shape), tmp_path / "empty.nii.gz")
    case = add_case(AddRequest(tmp_path / "set", "flair", {"flair": flair}, empty)).case
    assert (case.lesions, case.volume_mm3) == (0, 0.0)
    assert read_cases(tmp_path / "set").cases == (case,)


@pytest.mark.parametrize(
    "wrong",
    [
        {"site": "St. Elsewhere, ward 3"},
        {"reviewer": "Dr. Who"},
        {"model": "../x"},
        {"minutes": -1.0},
        {"subject": "sub-unknown"},
    ],
)
def test_free_text_and_unknown_patients_are_refused(tmp_path, wrong):
    with pytest.raises((SettingsError, ModelError)):
        add_flair(tmp_path / "set", tmp_path / "in", 1, **wrong)
    assert not (tmp_path / "set" / layout.DESCRIPTION).exists()


@pytest.mark.parametrize("name", ["z\u00fcrich-2026", "a-model-with-a-name-of-36-characters", "_x"])
def test_every_name_that_a_model_can_have_can_stand_in_a_case(tmp_path, name):
    case = add_flair(tmp_path / "set", tmp_path / "in", 1, model=name).case
    assert case.review.model == name
    found = read_cases(tmp_path / "set")
    assert found.cases == (case,) and not found.findings


def test_what_file_managers_leave_in_a_folder_does_not_keep_a_set_out(tmp_path):
    (tmp_path / "set").mkdir()
    for name in ("desktop.ini", "Thumbs.db", ".DS_Store"):
        (tmp_path / "set" / name).write_text("")
    case = add_flair(tmp_path / "set", tmp_path / "in", 1).case
    assert read_cases(tmp_path / "set").cases == (case,)


def test_a_folder_with_other_files_is_never_made_a_set(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("1")
    with pytest.raises(SettingsError, match="other files"):
        add_flair(tmp_path / "thesis", tmp_path / "in", 1)
    assert files(tmp_path / "thesis") == {"chapter.txt"}


def test_new_lesions_have_two_scans_and_share_them_with_other_cases(tmp_path):
    folder = tmp_path / "set"
    baseline, _, _ = examination(tmp_path / "in", 1)
    followup, mask, head = examination(tmp_path / "in", 2)
    whole = add_case(AddRequest(folder, "flair", {"flair": followup}, mask)).case
    new = np.zeros(head.flair.shape)
    new[10:12, 20:22, 18:20] = 1
    new_mask = save_like(head.flair, new, tmp_path / "new.nii.gz")
    case = add_case(AddRequest(folder, "new", {"baseline": baseline, "followup": followup}, new_mask)).case
    assert case.subject == whole.subject and case.split == whole.split
    assert case.images["followup"] == whole.images["flair"]
    assert case.images["baseline"].parent != case.images["followup"].parent
    assert [c.task for c in list_cases(folder).cases] == ["flair", "new"]
    assert read_cases(folder, "new").cases == (case,) and read_cases(folder, "flair").cases == (whole,)
    assert len(list(folder.glob("sub-*/*/anat/*_FLAIR.nii.gz"))) == 2

    other_baseline, _, _ = examination(tmp_path / "in", 3)
    another = add_case(
        AddRequest(folder, "new", {"baseline": other_baseline, "followup": followup}, new_mask)
    )
    assert another.case.case_id != case.case_id and another.case.images["followup"] == case.images["followup"]
    assert len(read_cases(folder, "new").cases) == 2


def test_enhancing_lesions_have_their_t1_scans_and_perhaps_a_flair(tmp_path):
    folder = tmp_path / "set"
    pre, _, _ = examination(tmp_path / "in", 1)
    post, mask, _ = examination(tmp_path / "in", 2)
    flair, _, _ = examination(tmp_path / "in", 3)
    case = add_case(AddRequest(folder, "enhancing", {"pre": pre, "post": post, "flair": flair}, mask)).case
    assert {role: path.name.split("_", 2)[2] for role, path in case.images.items()} == {
        "pre": "T1w.nii.gz",
        "post": "ce-gadolinium_T1w.nii.gz",
        "flair": "FLAIR.nii.gz",
    }
    assert len({path.parent for path in case.images.values()}) == 1
    assert read_cases(folder, "enhancing").cases == (case,)
    with pytest.raises(SettingsError, match="mixed up"):
        add_case(AddRequest(folder, "enhancing", {"pre": post, "post": pre}, mask))
    with pytest.raises(SettingsError, match="pre, post and may have flair"):
        add_case(AddRequest(folder, "enhancing", {"post": post}, mask))


def test_scans_of_two_patients_are_no_case(tmp_path):
    folder = tmp_path / "set"
    for seed in (1, 2):
        add_flair(folder, tmp_path / "in", seed)
    baseline, _, _ = examination(tmp_path / "in", 1)
    followup, mask, _ = examination(tmp_path / "in", 2)
    with pytest.raises(SettingsError, match="different patients"):
        add_case(AddRequest(folder, "new", {"baseline": baseline, "followup": followup}, mask))


def test_a_further_examination_can_be_given_to_its_patient(tmp_path):
    folder = tmp_path / "set"
    first = add_flair(folder, tmp_path / "in", 1, split="validation").case
    second = add_flair(folder, tmp_path / "in", 2, subject=first.subject).case
    assert (second.subject, second.session, second.split) == (first.subject, "ses-02", "validation")


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
