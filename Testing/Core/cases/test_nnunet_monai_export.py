"""Other training programs can read the cases: users are not locked in."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.cases.adding import AddRequest, add_case
from MSLesionSegLib.cases.case_set import read_cases
from MSLesionSegLib.cases.nnunet_monai_export import export_monai, export_nnunet
from MSLesionSegLib.errors import OutputError, SettingsError
from phantoms.case_fixtures import SHAPE, add_flair, examination
from phantoms.phantom import centred, make_head
from support.command_calls import call, events


@pytest.fixture
def cases(tmp_path):
    """One case for training, one for validation, one that is damaged."""
    folder = tmp_path / "set"
    add_flair(folder, tmp_path / "in", 1, split="training")
    add_flair(folder, tmp_path / "in", 2, split="validation")
    add_flair(folder, tmp_path / "in", 3, split="training").case.mask.unlink()
    return folder


def test_nnunet_finds_its_files(cases, tmp_path):
    to = tmp_path / "Dataset501_MSFlair"
    exported = export_nnunet(cases, to)
    assert (exported.training, exported.validation, len(exported.findings)) == (1, 1, 1)
    content = json.loads((to / "dataset.json").read_text())
    assert content == {
        "channel_names": {"0": "flair"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    for case, side in zip(
        read_cases(cases).training + read_cases(cases).validation, ("Tr", "Ts"), strict=True
    ):
        image = nib.load(to / f"images{side}" / f"{case.case_id}_0000.nii.gz")
        label = nib.load(to / f"labels{side}" / f"{case.case_id}.nii.gz")
        np.testing.assert_array_equal(
            np.asarray(image.dataobj), np.asarray(nib.load(case.images["flair"]).dataobj)
        )
        np.testing.assert_array_equal(np.asarray(label.dataobj), np.asarray(nib.load(case.mask).dataobj))
        np.testing.assert_allclose(image.affine, label.affine, atol=1e-4)


def test_monai_reads_the_datalist(cases, tmp_path):
    from monai.data import load_decathlon_datalist
    from monai.transforms import LoadImaged

    export_monai(cases, tmp_path / "monai")
    for key, case in (
        ("training", read_cases(cases).training[0]),
        ("validation", read_cases(cases).validation[0]),
    ):
        (item,) = load_decathlon_datalist(tmp_path / "monai" / "datalist.json", data_list_key=key)
        loaded = LoadImaged(["image", "label"])(item)
        assert loaded["image"].shape == loaded["label"].shape == SHAPE
        np.testing.assert_array_equal(loaded["label"].numpy(), np.asarray(nib.load(case.mask).dataobj))


def test_scans_of_two_visits_come_onto_one_grid(tmp_path):
    pytest.importorskip("ants")
    turn = np.deg2rad(4)
    turned = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    baseline, mask, _ = examination(tmp_path / "in", 1)
    moved = make_head(centred((3, 3, 3), np.eye(3), SHAPE), SHAPE, 2).flair
    # the same patient, lying differently: voxels as before, but an affine that says otherwise
    followup = tmp_path / "in" / "followup.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(moved.dataobj), centred((3, 3, 3), turned, SHAPE)), followup)
    add_case(
        AddRequest(
            tmp_path / "set", "new", {"baseline": baseline, "followup": followup}, mask, split="training"
        )
    )
    to = tmp_path / "Dataset502_New"
    export_nnunet(tmp_path / "set", to, task="new", strip_face=True)
    first, second = (nib.load(path) for path in sorted((to / "imagesTr").iterdir()))
    (label,) = (nib.load(path) for path in (to / "labelsTr").iterdir())
    np.testing.assert_allclose(second.affine, first.affine, atol=1e-4)
    assert first.shape == second.shape == label.shape
    inside = np.asarray(first.dataobj) > 0
    agreement = np.corrcoef(np.asarray(first.dataobj)[inside], np.asarray(second.dataobj)[inside])[0, 1]
    assert agreement > 0.9
    assert json.loads((to / "dataset.json").read_text())["channel_names"] == {
        "0": "baseline",
        "1": "followup",
    }


def test_what_cannot_be_written_is_refused_before_anything_is(cases, tmp_path):
    with pytest.raises(SettingsError, match="Dataset501"):
        export_nnunet(cases, tmp_path / "lesions")
    with pytest.raises(SettingsError, match="no usable cases"):
        export_monai(cases, tmp_path / "monai", task="new")
    (tmp_path / "monai").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        export_monai(cases, tmp_path / "monai")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "monai", "set"]


def test_cases_are_exported_and_imported_by_command(cases, tmp_path):
    result = events("cases", "export", "--cases", cases, "--to", tmp_path / "out.zip")
    assert {event["code"] for event in result if event["event"] == "warning"} == {"case-image", "faces"}
    assert (result[-1]["training"], result[-1]["validation"], result[-1]["face_removed"]) == (1, 1, False)
    imported = events("cases", "import", "--cases", tmp_path / "there", tmp_path / "out.zip")[-1]
    assert len(imported["added"]) == 2 and imported["known"] == 0
    assert "1 cases for training" in call(
        "cases", "export", "--cases", cases, "--to", tmp_path / "list", "--format", "monai", "--strip-face"
    )
    assert "0 cases added; 2 masks" in call(
        "cases", "import", "--cases", tmp_path / "there", tmp_path / "out.zip"
    )
