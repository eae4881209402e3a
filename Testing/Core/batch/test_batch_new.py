"""A dataset with several visits in; what changed from each to the next out, lesions with the same ids."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.batch.batch import BatchRequest, run_batch
from MSLesionSegLib.batch.tables import EXAMINATIONS, LESIONS
from MSLesionSegLib.errors import BatchError, SettingsError
from MSLesionSegLib.imaging.dicom.tracked_segments import read_tracked_segments
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import save_model
from MSLesionSegLib.segmentation.request import SegmentRequest
from phantoms.dicom_study import FLAIR, Study
from phantoms.followup_phantom import LESIONS_OF_THE_PHANTOM, NEW_AT, scan

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(models_folder, tmp_path_factory) -> Path:
    """The small FLAIR model, and one that sees no change anywhere."""
    folder = shutil.copytree(models_folder, tmp_path_factory.mktemp("models") / "both")
    architecture = Architecture(kind="unet", levels=3, feature_maps=4)
    network = build(architecture)
    network.output_block.conv.conv.weight.data.zero_()
    network.output_block.conv.conv.bias.data.fill_(-20.0)
    save_model(folder, network, ModelCard("blind", "new", architecture, ("subtraction",), spacing_mm=2.0))
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """A patient with three visits, one with one visit, and one whose second scan is no image."""
    folder = tmp_path_factory.mktemp("bids")
    first, second = scan("baseline"), scan("followup", NEW_AT)
    for head, participant, session in (
        (first, "sub-01", "ses-1"),
        (second, "sub-01", "ses-2"),
        (second, "sub-01", "ses-10"),
        (first, "sub-02", "ses-1"),
        (first, "sub-03", "ses-1"),
    ):
        head.save(folder / participant / session / "anat", f"{participant}_{session}_FLAIR.nii.gz")
    damaged = folder / "sub-03" / "ses-2" / "anat" / "sub-03_ses-2_FLAIR.nii.gz"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no image")
    return folder


def request(dataset: Path, output: Path, **changes) -> BatchRequest:
    settings = SegmentRequest("new", {}, output, model="blind", flair_model="tiny", device="cpu")
    return BatchRequest(dataset, output, settings, threads=1, **changes)


def rows(folder: Path, name: str = EXAMINATIONS) -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, dataset, models) -> Path:
    output = tmp_path_factory.mktemp("derivatives") / "changes"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSLESIONSEG_MODELS", str(models))
        with pytest.raises(BatchError, match=r"1 of 4 examinations failed \(sub-03 ses-2\)"):
            run_batch(request(dataset, output, workers=2), Silent())
    return output


def test_each_visit_is_compared_with_the_one_before(finished):
    told = [
        (r["participant_id"], r["baseline_session_id"], r["session_id"], r["status"]) for r in rows(finished)
    ]
    assert told == [
        ("sub-01", "ses-1", "ses-2", "done"),
        ("sub-01", "ses-2", "ses-10", "done"),
        ("sub-02", "n/a", "ses-1", "incomplete"),
        ("sub-03", "ses-1", "ses-2", "failed"),
    ]
    one = rows(finished)[0]
    assert one["comparability"] in ("green", "amber") and one["registration"] == "rigid"
    assert (one["model"], one["flair_model"]) == ("blind", "tiny")
    assert int(one["stable_lesions"]) > 0 == int(one["new_lesions"]) and float(one["baseline_volume_mm3"]) > 0
    own = [
        r for r in rows(finished, LESIONS) if (r["participant_id"], r["session_id"]) == ("sub-01", "ses-2")
    ]
    assert sum(r["state"] == "stable" for r in own) == int(one["stable_lesions"])


def test_lesions_keep_their_ids_from_one_comparison_to_the_next(finished):
    second, third = (
        np.asarray(nib.load(finished / "sub-01" / visit / "anat" / name).dataobj)
        for visit, name in (
            ("ses-2", "space-followup_label-lesion_dseg.nii.gz"),
            ("ses-10", "space-baseline_label-lesion_dseg.nii.gz"),
        )
    )
    known = set(np.unique(second)) - {0}
    kept, fresh = (set(np.unique(third)) & known, set(np.unique(third)) - known - {0})
    assert len(kept) >= LESIONS_OF_THE_PHANTOM
    for number in kept:
        assert second[third == number].any(), "an id means the same place"
    highest = json.loads((finished / "sub-01" / "ses-2" / "anat" / "result.json").read_text())["highest_id"]
    assert all(number > highest for number in fresh)


def test_lesions_keep_their_tracking_uids_over_the_visits_of_dicom_studies(models, monkeypatch, tmp_path):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(models))
    for date, point in (("20220301", "baseline"), ("20230301", "followup"), ("20240301", "followup")):
        flair = scan(point).flair
        voxels = np.asarray(flair.dataobj).astype(np.int16)
        Study(date=date).write(tmp_path / "export" / date, FLAIR, 1, voxels, flair.affine)
    run_batch(request(tmp_path / "export", tmp_path / "out", dicom=True), Silent())
    second, third = (
        read_tracked_segments(tmp_path / f"out/sub-001/{visit}/anat/dicom/segmentation.dcm").tracked.values()
        for visit in ("ses-02", "ses-03")
    )
    kept = {lesion.uid for lesion in second} & {lesion.uid for lesion in third}
    assert len(kept) >= LESIONS_OF_THE_PHANTOM
    assert {lesion for lesion in second if lesion.uid in kept} == {
        lesion for lesion in third if lesion.uid in kept
    }


def test_what_is_finished_is_left_alone_and_other_settings_are_told(
    finished, dataset, models, monkeypatch, tmp_path
):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(models))
    folder = shutil.copytree(finished, tmp_path / "copy")
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("result.json")}
    done = run_batch(request(dataset, folder, skip_finished=True, participants=["01"]), Silent())
    assert [row.status for row in done.rows] == ["done", "done"]
    other = request(dataset, folder, skip_finished=True, participants=["01"])
    other = BatchRequest(
        dataset, folder, SegmentRequest(**{**vars(other.settings), "n4": True}), ["01"], skip_finished=True
    )
    with pytest.raises(BatchError, match="2 of 2"):
        run_batch(other, Silent())
    assert "n4 False instead of True" in rows(folder)[0]["problem"]
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("result.json")} == before


def test_a_comparison_with_the_ids_of_an_earlier_one_that_is_made_anew_is_not_taken_for_finished(
    finished, dataset, models, monkeypatch, tmp_path
):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(models))
    folder = shutil.copytree(finished, tmp_path / "copy")
    third = folder / "sub-01" / "ses-10" / "anat" / "result.json"
    manifest = json.loads(third.read_text())
    third.write_text(json.dumps(manifest | {"previous": "of another"}))
    with pytest.raises(BatchError, match="1 of 2"):
        run_batch(request(dataset, folder, skip_finished=True, participants=["01"]), Silent())
    assert "other ids from the comparison before it" in rows(folder)[1]["problem"]
    third.write_text(json.dumps(manifest))
    shutil.rmtree(folder / "sub-01" / "ses-2")
    with pytest.raises(BatchError, match="1 of 2"):
        run_batch(request(dataset, folder, skip_finished=True, participants=["01"]), Silent())
    first, second = rows(folder)
    assert first["status"] == "done" and "made again" in second["problem"]
    done = run_batch(request(dataset, folder, skip_finished=True, participants=["01"]), Silent())
    assert [row.status for row in done.rows] == ["done", "done"], "the ids are the same again"


def test_a_setting_out_of_its_range_is_refused_before_anything_is_written(
    dataset, models, monkeypatch, tmp_path
):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(models))
    wrong = SegmentRequest(
        "new", {}, tmp_path / "out", model="blind", flair_model="tiny", registration="none"
    )
    with pytest.raises(SettingsError, match="no registration 'none'"):
        run_batch(BatchRequest(dataset, tmp_path / "out", wrong), Silent())
    assert not (tmp_path / "out").exists()
