"""Cells are computed once, resume, and give the same results here and on a cluster."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from MSLesionSegLib.errors import Cancelled, SettingsError
from MSLesionSegLib.jobs import cluster as cluster_module
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.studies.continual import cells as continual_cells
from MSLesionSegLib.studies.dynamics import cells as dynamics_cells
from MSLesionSegLib.studies.engine import cells as module
from MSLesionSegLib.studies.engine import native_scoring
from MSLesionSegLib.studies.engine.cells import Cell, keys_of, known_as
from MSLesionSegLib.studies.engine.executor import run_cells
from MSLesionSegLib.studies.gate import cells as gate_cells
from MSLesionSegLib.studies.pretraining import cells as pretraining_cells
from MSLesionSegLib.studies.transfer.cells import transfer_cells
from MSLesionSegLib.studies.transfer.settings import TransferSettings
from MSLesionSegLib.training.loop.recipe import RECIPES
from support.cell_functions import die_once, interrupted, trained_sum
from support.worker_processes import cluster_of


def chain(log: Path, seed: int = 0) -> list[Cell]:
    """Two chains of two cells each."""
    files = {"log": str(log)}
    cells = []
    for letter in "ab":
        content = {"name": letter, "seed": seed + ord(letter)}
        cells.append(Cell(letter, trained_sum, content, files))
        cells.append(Cell(f"{letter}2", trained_sum, {**content, "name": f"{letter}2"}, files, (letter,)))
    return cells


def results(done) -> dict:
    return {name: finished.results for name, finished in done.items()}


def run(cells, folder, progress=None):
    return run_cells(cells, folder, executor="local", threads=1, progress=progress or Silent())


def test_a_finished_cell_is_not_computed_again_and_a_changed_one_is_with_all_that_build_on_it(tmp_path):
    log = tmp_path / "log"
    first = results(run(chain(log), tmp_path / "study"))
    assert results(run(chain(log), tmp_path / "study")) == first
    assert log.read_text().split() == ["a", "a2", "b", "b2"]
    cells = chain(log)
    cells[0] = replace(cells[0], settings={"name": "a", "seed": 99})
    changed = results(run(cells, tmp_path / "study"))
    assert log.read_text().split()[4:] == ["a", "a2"]
    assert changed["b2"] == first["b2"] and changed["a2"] != first["a2"]


def test_where_the_files_are_does_not_matter_to_the_key():
    one, other = (keys_of(chain(Path(name))) for name in ("x", "y"))
    assert one == other
    assert len(set(one.values())) == 4


def test_finished_cells_are_found_under_the_names_that_they_were_first_released_with():
    works = (
        (native_scoring, "train_and_test", "transfer_cells.train_and_test"),
        (native_scoring, "score_reader", "transfer_cells.score_reader"),
        (continual_cells, "train_and_test", "continual.train_and_test"),
        (dynamics_cells, "follow", "dynamics_cells.follow"),
        (dynamics_cells, "compare", "dynamics_cells.compare"),
        (gate_cells, "teach", "gate_trial.teach"),
        (pretraining_cells, "pretrain_encoder", "pretraining_cells.pretrain_encoder"),
    )
    for where, function, released in works:
        key = keys_of([Cell("c", getattr(where, function), {"seed": 1})])["c"]
        content = json.dumps([f"MSLesionSegLib.studies.{released}", {"seed": 1}, []])
        assert key == hashlib.sha256(content.encode()).hexdigest(), released


def test_the_key_of_a_training_is_the_one_that_it_was_first_released_with():
    recipe = RECIPES["default"].as_dict()
    settings = TransferSettings(levels=(3,), base=8, sizes=(2,), recipe=recipe, base_recipe=recipe)
    keys = keys_of(transfer_cells(settings, [[], []], [], []))
    assert keys["base-3-levels"] == "0fc2221f121dca4bc54be8a53ea47704cbf7439c0dc01d546137cb53a23478c9"
    released = "11e6c26d0d42fe82271f8843ce1b1ef58abc94de669f805c7caa022252660e4f"
    assert keys["3-levels.fine-tuned.n2.fold0"] == released


def test_a_study_that_was_made_before_its_code_moved_is_gone_on_with(tmp_path):
    cells = chain(tmp_path / "log")
    study = tmp_path / "study"
    run(cells[:1], study)

    @known_as("tests.trained_sum")
    def moved(settings, files, context):
        raise AssertionError("this cell is finished")

    assert run([replace(cells[0], work=moved)], study)["a"].results["sum"]


def test_an_interrupted_cell_leaves_no_result_and_finds_its_scratch_again(tmp_path):
    cell = Cell("c", interrupted, {})
    for _ in range(2):
        with pytest.raises(RuntimeError):
            run([cell], tmp_path)
        assert not list((tmp_path / "cells").iterdir())
    assert run([cell], tmp_path)["c"].results == {"tries": 3}
    assert not list((tmp_path / "scratch").iterdir())


def test_the_seconds_of_interrupted_attempts_count_unless_the_cell_is_another_one(tmp_path):
    cell = Cell("c", interrupted, {})
    with pytest.raises(RuntimeError):
        run([cell], tmp_path)
    file = tmp_path / "scratch" / "c" / "seconds.json"
    noted = json.loads(file.read_text())
    assert noted["seconds"] > 0
    file.write_text(json.dumps({**noted, "seconds": 1000.0}))
    with pytest.raises(RuntimeError):
        run([cell], tmp_path)
    assert json.loads(file.read_text())["seconds"] > 1000
    assert run([cell], tmp_path)["c"].seconds >= 1000
    assert run([cell], tmp_path)["c"].seconds >= 1000  # as it is stored
    other = Cell("d", interrupted, {"other": True})
    (tmp_path / "scratch" / "d").mkdir(parents=True)
    (tmp_path / "scratch" / "d" / "seconds.json").write_text(json.dumps({**noted, "seconds": 1000.0}))
    with pytest.raises(RuntimeError):
        run([other], tmp_path)
    assert json.loads((tmp_path / "scratch" / "d" / "seconds.json").read_text())["seconds"] < 1000


def test_a_working_cell_notes_its_seconds_for_the_case_that_it_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "NOTE_EVERY", 0.0)
    seen = []

    class Listener(Silent):
        def stage(self, name, fraction=0.0):
            file = tmp_path / "study" / "scratch" / "a" / "seconds.json"
            seen.append(json.loads(file.read_text())["seconds"] if file.exists() else 0.0)

    run(chain(tmp_path / "log")[:1], tmp_path / "study", Listener())
    assert max(seen) > 0


def test_cancelling_keeps_what_is_finished(tmp_path):
    class StopLater(Silent):
        def stage(self, name, fraction=0.0):
            if fraction > 0.3:
                raise Cancelled

    with pytest.raises(Cancelled):
        run(chain(tmp_path / "log"), tmp_path / "study", StopLater())
    assert [p.name for p in (tmp_path / "study" / "cells").iterdir() if not p.name.startswith(".")] == ["a"]
    assert len(run(chain(tmp_path / "log"), tmp_path / "study")) == 4


def test_the_progress_of_the_study_goes_forward_only(tmp_path):
    seen = []

    class Listener(Silent):
        def stage(self, name, fraction=0.0):
            seen.append(fraction)

    run(chain(tmp_path / "log"), tmp_path / "study", Listener())
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(set(seen)) > 20


@pytest.mark.parametrize("executor", ["cluster", "dask://nowhere", "dask://", "tcp://a:1"])
def test_an_unknown_executor_is_refused(tmp_path, executor):
    with pytest.raises(SettingsError, match="dask://HOST:PORT"):
        run_cells([], tmp_path, executor=executor, threads=1, progress=Silent())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed")
def test_a_cluster_of_two_workers_gives_the_same_and_survives_a_killed_worker(tmp_path, monkeypatch):
    files = {"mark": str(tmp_path / "mark")}
    cells = [*chain(tmp_path / "log"), Cell("dies", die_once, {}, files)]
    with cluster_of(2) as cluster:
        executor = cluster.scheduler_address.replace("tcp://", "dask://")
        there = run_cells(cells, tmp_path / "there", executor=executor, threads=1, progress=Silent())
    assert there["dies"].results == {"survived": True, "left": []}
    here = run(chain(tmp_path / "log"), tmp_path / "here")
    assert results(here) == {name: f for name, f in results(there).items() if name != "dies"}
    monkeypatch.setattr(cluster_module, "SECONDS_TO_ANSWER", 1)
    with pytest.raises(SettingsError, match="No Dask scheduler"):
        run_cells(cells, tmp_path / "late", executor=executor, threads=1, progress=Silent())
