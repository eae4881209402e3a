"""A dataset in; results, one table and the sentence of every failure out."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from MSLesionSegLib.batch.batch import BatchRequest, run_batch
from MSLesionSegLib.batch.examinations import Examination
from MSLesionSegLib.batch.tables import DONE, EXAMINATIONS, LESIONS, ExaminationRow, write_tables
from MSLesionSegLib.batch.workers import run_here
from MSLesionSegLib.errors import BatchError, Cancelled, OutputError, SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.segmentation.request import SegmentRequest
from phantoms.phantom import Head
from support.killed_worker import Deadly
from support.worker_processes import cluster_of


def flair(head: Head, dataset: Path, *names: str) -> Path:
    subject, *session = names[0].split("_")
    folder = dataset.joinpath(subject, *session, "anat")
    return head.save(folder, f"{'_'.join(names)}_FLAIR.nii.gz")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, head: Head) -> Path:
    """Three examinations that can be done, a damaged file, a session without FLAIR."""
    folder = tmp_path_factory.mktemp("bids")
    for name in ("sub-01_ses-1", "sub-01_ses-2", "sub-04"):
        flair(head, folder, name)
    flair(head, folder, "sub-02").write_bytes(b"no image")
    (folder / "sub-03" / "anat").mkdir(parents=True)
    (folder / "derivatives" / "other" / "sub-09").mkdir(parents=True)
    return folder


def request(dataset: Path, output: Path, **changes) -> BatchRequest:
    own = ("participants", "entities", "skip_finished", "workers", "executor")
    batch = {name: changes.pop(name) for name in own if name in changes}
    settings = SegmentRequest("flair", {}, output, model="tiny", device="cpu", **changes)
    return BatchRequest(dataset, output, settings, threads=1, **batch)


def table(folder: Path, name: str = EXAMINATIONS) -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def prints(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("result.json")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, dataset, models_folder) -> Path:
    """The derivatives of a batch over the dataset in which one examination fails."""
    output = tmp_path_factory.mktemp("derivatives") / "batch"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSLESIONSEG_MODELS", str(models_folder))
        with pytest.raises(BatchError, match=r"1 of 5 examinations failed \(sub-02\); the others are done"):
            run_batch(request(dataset, output), Silent())
    return output


def test_a_failed_examination_is_reported_and_the_rest_is_done(finished):
    rows = table(finished)
    assert [(row["participant_id"], row["session_id"], row["status"]) for row in rows] == [
        ("sub-01", "ses-1", "done"),
        ("sub-01", "ses-2", "done"),
        ("sub-02", "n/a", "failed"),
        ("sub-03", "n/a", "incomplete"),
        ("sub-04", "n/a", "done"),
    ]
    assert "sub-02_FLAIR.nii.gz is not compressed" in rows[2]["problem"]
    assert rows[3]["problem"] == "There is no *_FLAIR file for the input flair."
    assert not list((finished / "sub-02").rglob("*.nii.gz"))


def test_the_results_are_bids_derivatives(finished):
    description = json.loads((finished / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    folder = finished / "sub-01" / "ses-2" / "anat"
    assert (folder / "sub-01_ses-2_label-lesion_mask.nii.gz").is_file()
    assert (finished / "sub-04" / "anat" / "sub-04_label-lesion_probseg.nii.gz").is_file()
    assert sorted(json.loads((finished / "examinations.json").read_text())) == sorted(table(finished)[0])


def test_the_tables_hold_what_the_results_hold(finished):
    rows, lesions = table(finished), table(finished, LESIONS)
    for row in (row for row in rows if row["status"] == "done"):
        folder = finished / row["participant_id"] / row["session_id"].replace("n/a", "") / "anat"
        manifest = json.loads((folder / "result.json").read_text())
        assert int(row["lesions"]) == manifest["counts"]["lesions"] > 0
        assert float(row["volume_mm3"]) == manifest["counts"]["volume_mm3"]
        assert sum(int(n) for c, n in row.items() if c.endswith("_lesions")) == int(row["lesions"])
        assert (row["minimum_mm3"], row["connectivity"], row["model"]) == ("100.0", "26", "tiny")
        own = [r for r in lesions if all(r[k] == row[k] for k in ("participant_id", "session_id"))]
        assert [int(r["id"]) for r in own] == list(range(1, int(row["lesions"]) + 1))


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    return shutil.copytree(finished, tmp_path / "copy")


def test_only_what_is_not_finished_is_done_again(copied, dataset, models):
    before = prints(copied)
    shutil.rmtree(copied / "sub-04")
    with pytest.raises(BatchError, match="1 of 5"):
        run_batch(request(dataset, copied, skip_finished=True), Silent())
    after = prints(copied)
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == ["sub-04/anat/result.json"]
    assert [row["status"] for row in table(copied)].count("done") == 3


def test_a_result_of_other_settings_is_never_taken_for_finished(copied, dataset, models):
    before = prints(copied)
    changed = request(dataset, copied, participants=["01"], skip_finished=True, threshold=0.7)
    with pytest.raises(BatchError, match="2 of 2"):
        run_batch(changed, Silent())
    assert "threshold 0.5 instead of 0.7" in table(copied)[0]["problem"]
    assert prints(copied) == before


def test_results_are_replaced_only_when_asked_to(copied, dataset, models):
    before = prints(copied)
    with pytest.raises(OutputError, match="3 of 4 examinations have a result"):
        run_batch(request(dataset, copied), Silent())
    assert prints(copied) == before


def test_a_result_that_cannot_be_compared_fails_alone(copied, dataset, models):
    manifest = next(copied.glob("sub-04/**/result.json"))
    manifest.write_text(manifest.read_text().replace('"inputs"', '"others"'))
    with pytest.raises(BatchError, match="2 of 5"):
        run_batch(request(dataset, copied, skip_finished=True), Silent())
    rows = {row["participant_id"]: row for row in table(copied)}
    assert "could not be compared" in rows["sub-04"]["problem"]
    assert [row["status"] for row in table(copied)].count("done") == 2


def test_a_result_that_has_gone_meanwhile_is_told_in_the_table(tmp_path):
    gone = ExaminationRow(Examination("sub-09", "", {}), DONE)
    write_tables(tmp_path, "flair", [gone])
    (row,) = table(tmp_path)
    assert (row["status"], row["problem"]) == ("failed", "Its result is gone.")


@pytest.mark.parametrize("maker", [{"Name": "other"}, "other"])
def test_a_folder_of_another_program_is_left_alone(copied, dataset, models, maker):
    (copied / "dataset_description.json").write_text(json.dumps({"GeneratedBy": [maker]}))
    with pytest.raises(OutputError, match="something else than a batch of the task 'flair'"):
        run_batch(request(dataset, copied, overwrite=True), Silent())


def test_cancelling_keeps_what_is_finished_and_the_table_says_so(tmp_path, dataset, models):
    class StopAfterOne(Silent):
        def stage(self, name, fraction=0.0):
            if fraction > 0:
                raise Cancelled

    output = tmp_path / "out"
    with pytest.raises(Cancelled):
        run_batch(request(dataset, output, participants=["01", "04"]), StopAfterOne())
    assert [row["status"] for row in table(output)] == ["done", "open", "open"]
    assert not [p for p in output.rglob("*") if "unfinished" in p.name]
    done = run_batch(
        request(dataset, output, participants=["sub-01", "sub-04"], skip_finished=True), Silent()
    )
    assert [row.status for row in done.rows] == ["done"] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed")
def test_a_worker_that_dies_takes_only_its_examination_with_it(tmp_path, head, models):
    scan = head.save(tmp_path)
    good = SegmentRequest("flair", {"flair": scan}, tmp_path / "out", model="tiny", device="cpu")
    requests = {"bad": Deadly(), "good": good}
    ends = run_here(requests, {}, tmp_path / "stop", workers=1, threads=1, tick=lambda: None)
    ended = dict(ends)
    assert "ended from outside" in ended["bad"].problem
    assert not ended["good"].problem and (tmp_path / "out" / "result.json").is_file()


@pytest.mark.slow
def test_a_cluster_gives_the_same_masks(tmp_path, finished, dataset, models):
    output = tmp_path / "there"
    with cluster_of(1) as cluster:
        executor = cluster.scheduler_address.replace("tcp://", "dask://")
        with pytest.raises(BatchError, match="1 of 5"):
            run_batch(request(dataset, output, executor=executor), Silent())
    for mask in finished.rglob("*_mask.nii.gz"):
        assert (output / mask.relative_to(finished)).read_bytes() == mask.read_bytes()


def test_the_command_prints_events_and_nothing_else(tmp_path, dataset, command_environment):
    command = [sys.executable, "-m", "MSLesionSegLib", "batch", str(dataset), "-o", str(tmp_path / "out")]
    command += ["--participant-label", "04", "--model", "tiny", "--threads", "1", "--events"]
    done = subprocess.run(command, env=command_environment, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["event"] == "started"
    assert lines[-1]["event"] == "result"
    assert (lines[-1]["done"], lines[-1]["examinations"]) == (1, 1)
    assert os.path.isfile(lines[-1]["table"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"participants": ["77"]}, "has no participant 77"),
        ({"entities": ["3D"]}, "not part of a BIDS name"),
        ({"workers": 0}, "at least one worker"),
        ({"executor": "slurm"}, "dask://HOST:PORT"),
        ({"threshold": 2.0}, "threshold must lie between"),
        ({"participants": ["03"]}, "No examination is complete"),
    ],
)
def test_what_cannot_be_done_at_all_is_refused_before_anything_is_written(
    changes, sentence, tmp_path, dataset, models
):
    with pytest.raises(SettingsError, match=sentence):
        run_batch(request(dataset, tmp_path / "out", **changes), Silent())
    assert not (tmp_path / "out").exists()
