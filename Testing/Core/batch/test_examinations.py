"""The right file of a BIDS dataset is taken for each input, or a sentence says why not."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from MSLesionSegLib.batch.examinations import find_examinations
from MSLesionSegLib.errors import SettingsError


def files(dataset: Path, *names: str) -> Path:
    for name in names:
        subject, session, *_ = name.split("_")
        folder = dataset / subject / (session if session.startswith("ses-") else "") / "anat"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return dataset


def test_before_and_after_gadolinium_are_told_apart(tmp_path):
    names = ("sub-1_ses-a_T1w.nii.gz", "sub-1_ses-a_ce-gadolinium_T1w.nii.gz", "sub-1_ses-a_FLAIR.nii")
    (exam,) = find_examinations(files(tmp_path, *names, "sub-1_ses-a_T1w.json"), "enhancing")
    assert not exam.problem
    assert {role: path.name for role, path in exam.inputs.items()} == dict(
        zip(("pre", "post", "flair"), names, strict=True)
    )
    assert (exam.name, exam.folder) == ("sub-1 ses-a", Path("sub-1/ses-a/anat"))


def test_what_is_optional_may_be_missing_and_what_is_not_may_not(tmp_path):
    names = ("sub-1_ce-gad_T1w.nii.gz", "sub-1_T1w.nii.gz", "sub-2_ce-gad_T1w.nii.gz")
    complete, incomplete = find_examinations(files(tmp_path, *names), "enhancing")
    assert set(complete.inputs) == {"pre", "post"} and not complete.problem
    assert incomplete.problem == "There is no *_T1w file for the input pre."


def test_of_several_files_one_is_chosen_by_its_entity_and_never_by_chance(tmp_path):
    dataset = files(tmp_path, "sub-1_acq-2D_FLAIR.nii.gz", "sub-1_acq-3D_FLAIR.nii.gz")
    assert "--entity acq-2D or --entity acq-3D" in find_examinations(dataset, "flair")[0].problem
    (exam,) = find_examinations(dataset, "flair", entities=["acq-3D"])
    assert exam.inputs["flair"].name == "sub-1_acq-3D_FLAIR.nii.gz"


@pytest.mark.parametrize(
    ("names", "choice", "chosen"),
    [
        (("sub-1_FLAIR.nii.gz", "sub-1_rec-norm_FLAIR.nii.gz"), "rec-none", 0),
        (("sub-1_FLAIR.nii.gz", "sub-1_rec-norm_FLAIR.nii.gz"), "rec-norm", 1),
        (("sub-1_run-01_FLAIR.nii.gz", "sub-1_run-02_FLAIR.nii.gz"), "run-2", 1),
        (("sub-1_run-1_FLAIR.nii", "sub-1_run-2_FLAIR.NII.GZ"), "run-02", 1),
        (("sub-1_acq-2d_FLAIR.nii", "sub-1_acq-3d_FLAIR.nii"), "acq-3D", 1),
        (("sub-1_acq-a_run-1_FLAIR.nii", "sub-1_acq-a_run-2_FLAIR.nii"), "run-2", 1),
    ],
)
def test_each_of_several_files_can_be_chosen_and_the_sentence_says_how(tmp_path, names, choice, chosen):
    dataset = files(tmp_path, *names)
    (exam,) = find_examinations(dataset, "flair")
    assert choice.split("-")[0] in exam.problem and all(name in exam.problem for name in names)
    (exam,) = find_examinations(dataset, "flair", entities=[choice])
    assert exam.inputs["flair"].name == names[chosen]
    (exam,) = find_examinations(dataset, "flair", entities=["desc-other"])
    assert "with desc-other" in exam.problem and names[0] in exam.problem


def test_two_files_of_one_name_are_named(tmp_path):
    (exam,) = find_examinations(files(tmp_path, "sub-1_FLAIR.nii", "sub-1_FLAIR.nii.gz"), "flair")
    assert "sub-1_FLAIR.nii, sub-1_FLAIR.nii.gz" in exam.problem and "endings alone" in exam.problem


def test_capitals_in_an_ending_make_no_other_file(tmp_path):
    (exam,) = find_examinations(files(tmp_path, "sub-1_FLAIR.NII.GZ"), "flair")
    assert exam.inputs["flair"].name == "sub-1_FLAIR.NII.GZ"


def test_a_scan_beside_the_sessions_is_an_examination_but_compared_with_none(tmp_path):
    dataset = files(tmp_path, "sub-1_FLAIR.nii", "sub-1_ses-1_FLAIR.nii", "sub-1_ses-2_FLAIR.nii")
    assert [e.name for e in find_examinations(dataset, "flair")] == ["sub-1", "sub-1 ses-1", "sub-1 ses-2"]
    beside, pair = find_examinations(dataset, "new")
    assert "beside the sessions" in beside.problem and (pair.baseline, pair.session) == ("ses-1", "ses-2")
    files(
        tmp_path, "sub-2_T1w.nii", "sub-2_ses-1_FLAIR.nii", "sub-2_ses-pre_FLAIR.nii", "sub-1_ses-x_FLAIR.nii"
    )
    told = {e.name: e.problem for e in find_examinations(dataset, "new")}
    assert "beside the sessions" in told["sub-1"] and "cannot be told" in told["sub-1"]
    assert "beside" not in told["sub-2"]


def test_sessions_and_participants_come_in_the_order_of_their_names(tmp_path):
    dataset = files(tmp_path, "sub-2_FLAIR.nii.gz", "sub-1_ses-2_FLAIR.nii.gz", "sub-1_ses-1_FLAIR.nii.gz")
    assert [e.name for e in find_examinations(dataset, "flair")] == ["sub-1 ses-1", "sub-1 ses-2", "sub-2"]
    assert [e.name for e in find_examinations(dataset, "flair", ["2"])] == ["sub-2"]


def test_each_examination_is_compared_with_the_one_before_it(tmp_path):
    names = [f"sub-1_ses-{n}_FLAIR.nii.gz" for n in (10, 1, 2)]
    dataset = files(
        tmp_path, *names, "sub-1_ses-3_T1w.nii.gz", "sub-2_ses-1_FLAIR.nii.gz", "sub-3_FLAIR.nii.gz"
    )
    files(tmp_path, "sub-4_T1w.nii.gz")
    second, third, tenth, alone, single, without = find_examinations(dataset, "new")
    assert without.problem == "There is no *_FLAIR file for the input FLAIR."
    assert (second.name, second.before, second.folder) == (
        "sub-1 ses-2",
        "sub-1 ses-1",
        Path("sub-1/ses-2/anat"),
    )
    assert {name: path.name for name, path in second.inputs.items()} == {
        "baseline": names[1],
        "followup": names[2],
    }
    assert third.problem == "There is no *_FLAIR file for the input FLAIR."
    assert (tenth.before, tenth.inputs["baseline"].name) == ("sub-1 ses-2", names[2])
    assert "only one examination" in alone.problem and "only one examination" in single.problem


@pytest.mark.parametrize(
    ("sessions", "times", "order"),
    [
        (("post", "pre"), None, None),
        (("bl", "m3", "m12"), None, None),
        (("1", "01"), None, None),
        (("V1", "v2"), None, ("V1", "v2")),
        (("m3", "m12"), None, ("m3", "m12")),
        (("post", "pre"), ("2021-05-01T10:00:00", "2020-05-01"), ("pre", "post")),
        (("1", "2"), ("2021-05-01", "2020-05-01"), ("2", "1")),
        (("a", "b"), ("2021-05-01", "2021-05-01"), None),
    ],
)
def test_the_earlier_examination_is_the_baseline_or_nothing_is_compared(tmp_path, sessions, times, order):
    dataset = files(tmp_path, *(f"sub-1_ses-{name}_FLAIR.nii.gz" for name in sessions))
    if times:
        lines = [f"ses-{name}\t{time}\n" for name, time in zip(sessions, times, strict=True)]
        (dataset / "sub-1" / "sub-1_sessions.tsv").write_text("session_id\tacq_time\n" + "".join(lines))
    found = find_examinations(dataset, "new")
    if order is None:
        (exam,) = found
        assert "cannot be told from" in exam.problem
    else:
        assert [(e.baseline, e.session) for e in found] == [
            (f"ses-{first}", f"ses-{second}") for first, second in pairwise(order)
        ]


def test_a_folder_without_participants_is_no_dataset(tmp_path):
    with pytest.raises(SettingsError, match="no folders sub-"):
        find_examinations(tmp_path, "flair")
