"""Corrected examinations become training cases: de-identified, versioned, whole or not at all."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.adding import AddRequest, add_case
from MSLesionSegLib.cases.case_set import list_cases, read_cases
from MSLesionSegLib.cases.set_archive import export_archive, import_archive
from MSLesionSegLib.errors import ImageError, ModelError, SettingsError
from phantoms.case_fixtures import add_flair, examination, files, save_like
from phantoms.phantom import PATIENT_NAME


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
        {"possible_places": ((1000.0, 0.0, 0.0),)},
        {"possible_places": ((float("nan"), 0.0, 0.0),)},
        {"possible_places": ((float("inf"), 0.0, 0.0),)},
        {"possible_places": ((0.0, 0.0, 0.0),) * 2},
        {"possible_places": tuple((float(x), 0.0, 0.0) for x in range(11))},
    ],
)
def test_free_text_unknown_patients_and_places_outside_are_refused(tmp_path, wrong):
    with pytest.raises((SettingsError, ModelError)):
        add_flair(tmp_path / "set", tmp_path / "in", 1, **wrong)
    assert not (tmp_path / "set" / layout.DESCRIPTION).exists()


def test_where_possible_lesions_became_lesions_is_known_also_after_an_archive(tmp_path):
    places = ((-3.0, 4.5, 1.0), (6.0, 0.0, -2.5))
    case = add_flair(tmp_path / "set", tmp_path / "in", 1, possible_places=places).case
    assert (case.review.possible_taken, case.review.possible_places) == (2, places)
    assert read_cases(tmp_path / "set").cases == (case,)
    export_archive(tmp_path / "set", tmp_path / "cases.zip")
    import_archive(tmp_path / "there", tmp_path / "cases.zip")
    assert read_cases(tmp_path / "there").cases[0].review.possible_places == places


@pytest.mark.parametrize("none", [None, ()])
def test_that_none_was_taken_is_not_the_same_as_not_known(tmp_path, none):
    review = add_flair(tmp_path / "set", tmp_path / "in", 1, possible_places=none).case.review
    assert (review.possible_taken, review.possible_places) == ((None, None) if none is None else (0, ()))


def test_a_record_that_only_knows_how_many_is_read(tmp_path):
    case = add_flair(tmp_path / "set", tmp_path / "in", 1, possible_places=((0.0, 0.0, 0.0),)).case
    record = case.mask.with_name(case.mask.name.replace(".nii.gz", ".json"))
    content = json.loads(record.read_text())
    del content["Review"]["possible_places"]
    record.write_text(json.dumps(content))
    (review,) = (each.review for each in read_cases(tmp_path / "set").cases)
    assert (review.possible_taken, review.possible_places) == (1, None)


@pytest.mark.parametrize(
    "wrong",
    [["here"], [[1, 2]], [["a", "b", "c"]], 3, {}, "", [[None] * 3], [[True] * 3], [[1, 2, 3]] * 2, []],
)
def test_a_record_whose_places_are_none_or_another_number_is_no_case(tmp_path, wrong):
    case = add_flair(tmp_path / "set", tmp_path / "in", 1, possible_places=((0.0, 0.0, 0.0),)).case
    record = case.mask.with_name(case.mask.name.replace(".nii.gz", ".json"))
    content = json.loads(record.read_text())
    content["Review"]["possible_places"] = wrong
    record.write_text(json.dumps(content))
    assert not read_cases(tmp_path / "set").cases


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
