"""Pre-trained against de novo: encoders that never saw who is tested, and the paper's table of masks and minutes."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from MSLesionSegLib.cli import app
from MSLesionSegLib.errors import OutputError, SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network import architectures
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.studies.engine.executor import run_cells
from MSLesionSegLib.studies.engine.rotation import make_subsets
from MSLesionSegLib.studies.engine.study_cases import native_centre, unlabelled_centre
from MSLesionSegLib.studies.pretraining.cells import pretraining_cells
from MSLesionSegLib.studies.pretraining.networks import chosen_networks, network_settings
from MSLesionSegLib.studies.pretraining.settings import PretrainingData, PretrainingSettings
from MSLesionSegLib.studies.pretraining.study import run_pretraining
from MSLesionSegLib.studies.rerun import rerun
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.pretraining.run import PretrainingRecipe
from phantoms.study_phantoms import write_centre, write_examples

pytestmark = pytest.mark.usefixtures("small_patients")

QUICK = TrainingRecipe(steps=1, patch=32, batch=2, warm_up=1, insertion=0, thick_slices=0)
SHORT = PretrainingRecipe(steps=3, batch=2, patch=32)
TINY = {
    "unet": network_settings(Architecture(feature_maps=4, levels=3), SHORT),
    "unetr": network_settings(
        Architecture(kind="unetr", feature_maps=4, patch=32, hidden=24, heads=2), SHORT
    ),
}
SWIN = {
    "swinunetr": network_settings(
        Architecture(kind="swinunetr", feature_maps=12), SHORT.but(patch=64, steps=1, batch=1)
    ),
}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("data")
    write_examples(root / "scans", 2)
    return {"cases": str(write_centre(root / "cases", 2)), "scans": str(root / "scans")}


@pytest.fixture
def settings() -> PretrainingSettings:
    return PretrainingSettings(networks=TINY, subset=1, sizes=(1,), recipe=QUICK.as_dict())


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open() as stream:
        return list(csv.DictReader(stream))


def test_a_whole_study_writes_table_curve_and_page_and_a_rerun_gives_the_same(
    hospital, settings, models, tmp_path
):
    data = PretrainingData((hospital["scans"],), (hospital["cases"],))
    chosen = replace(settings, base="tiny")
    page = run_pretraining(chosen, data, tmp_path / "one", "local", Silent())
    masks = rows_of(tmp_path / "one" / "masks.csv")
    kinds = {(row["network"], row["start"], row["masks"], row["scans"]) for row in masks}
    own = {(network, start) for network in ("unet", "unetr") for start in ("pre-trained", "de novo")}
    assert kinds == {(*kind, "1", "2") for kind in own | {("tiny", "transfer")}}
    for row in masks:
        assert (float(row["minutes_before_masks"] or 0) > 0) == (row["start"] == "pre-trained")
        assert float(row["minutes_per_model"]) > 0
    losses = rows_of(tmp_path / "one" / "losses.csv")
    assert [(row["network"], row["step"]) for row in losses] == [
        (network, str(step)) for network in ("unet", "unetr") for step in (1, 2, 3)
    ]
    figures = {p.name for p in (tmp_path / "one" / "figures").iterdir()}
    names = ("losses", "masks", "bars-unet", "bars-unetr", "slices-unet", "slices-unetr")
    assert figures == {f"{name}.{ending}" for name in names for ending in ("png", "svg")}
    html = page.read_text()
    for text in ("Does pre-training save masks?", "Minutes before the masks", "no gain", "# differs from"):
        assert text in html
    record = json.loads((tmp_path / "one" / "study.json").read_text())
    assert {case["site"] for case in record["cases"]} == {"scans", "cases"}
    assert record["settings"]["networks"]["unetr"]["recipe"]["steps"] == 3

    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "one" / "cells").glob("*/cell.json")}
    assert len(before) == 2 * (1 + 2 * 2) + 2
    run_pretraining(chosen, data, tmp_path / "one", "local", Silent())
    assert {p: p.stat().st_mtime_ns for p in before} == before

    rerun(tmp_path / "one" / "study.json", tmp_path / "two", "local", Silent())
    for name in ("scans.csv", "tests.csv", "losses.csv", "figures/losses.png", "figures/masks.svg"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes(), name
    with pytest.raises(OutputError, match="another settings"):
        run_pretraining(replace(chosen, seed=5), data, tmp_path / "one", "local", Silent())


@pytest.mark.slow
def test_the_cells_of_a_swin_unetr_are_computed_as_well(hospital, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(architectures, "WINDOW", 64)  # the least that it can take
    chosen = replace(settings, networks=SWIN, recipe=QUICK.but(patch=64, batch=1).as_dict())
    scans = unlabelled_centre(Path(hospital["scans"]), tmp_path, Silent())
    subsets = make_subsets(native_centre(Path(hospital["cases"]), tmp_path, Silent()), 1, 0)
    names = ("encoder", "pre-trained.n1.fold0", "de-novo.n1.fold0")
    every = {cell.name: cell for cell in pretraining_cells(chosen, scans, subsets)}
    cells = [every[f"swinunetr.{name}"] for name in names]
    done = run_cells(cells, tmp_path / "out", executor="local", threads=1, progress=Silent())
    assert len(done["swinunetr.encoder"].results["curve"]) == 1
    assert all(len(done[cell.name].results["scans"]) == 1 for cell in cells[1:])


def test_pre_trained_networks_start_from_their_own_encoder_and_de_novo_from_nothing(
    hospital, settings, tmp_path
):
    scans = unlabelled_centre(Path(hospital["scans"]), tmp_path, Silent())
    subsets = make_subsets(native_centre(Path(hospital["cases"]), tmp_path, Silent()), 1, 0)
    cells = {cell.name: cell for cell in pretraining_cells(settings, scans, subsets)}
    for network in TINY:
        for fold in range(2):
            tuned = cells[f"{network}.pre-trained.n1.fold{fold}"]
            assert tuned.needs == (f"{network}.encoder",)
            assert tuned.settings["start"] == {"cell": f"{network}.encoder"}
            fresh = cells[f"{network}.de-novo.n1.fold{fold}"]
            assert fresh.settings["start"] is None and not fresh.needs
            assert fresh.settings["recipe"] == tuned.settings["recipe"]
            assert fresh.settings["train"] == tuned.settings["train"]


def test_no_encoder_sees_a_scan_that_is_tested_on(hospital, settings, tmp_path):
    both = Path(hospital["cases"])
    told = []

    class Listener(Silent):
        def warning(self, code, sentence):
            told.append(code)

    data = PretrainingData((hospital["scans"], str(both)), (str(both),))
    one = replace(settings, networks={"unet": TINY["unet"]})
    run_pretraining(one, data, tmp_path / "out", "local", Listener())
    cell = json.loads((tmp_path / "out" / "cells" / "unet.encoder" / "cell.json").read_text())
    assert {case["site"] for case in cell["settings"]["train"]} == {"scans"}
    assert told.count("tested-scans") == 1
    with pytest.raises(SettingsError, match="no scans to pre-train on but those"):
        alone = PretrainingData((str(both),), (str(both),))
        run_pretraining(one, alone, tmp_path / "alone", "local", Silent())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"networks": {}}, "at least one network"),
        ({"subset": 2, "sizes": (3,)}, "multiples"),
        ({"recipe": QUICK.but(patch=64, batch=1).as_dict()}, "take 32"),
        ({"networks": SWIN}, "take 64 or 96"),
        ({"networks": {"x": network_settings(Architecture(), SHORT.but(patch=40))}}, "multiple of 16"),
    ],
)
def test_impossible_settings_are_told_before_anything_is_prepared(
    hospital, settings, tmp_path, change, sentence
):
    data = PretrainingData((hospital["scans"],), (hospital["cases"],))
    with pytest.raises(SettingsError, match=sentence):
        run_pretraining(replace(settings, **change), data, tmp_path / "out", "local", Silent())
    assert not (tmp_path / "out").exists()


def test_settings_are_for_all_networks_or_for_one():
    chosen = chosen_networks(["unet", "unetr"], ["steps=7", "unetr:steps=9", "unet:patch=32"], seed=4)
    recipes = {name: network["recipe"] for name, network in chosen.items()}
    assert (recipes["unet"]["steps"], recipes["unetr"]["steps"]) == (7, 9)
    assert (recipes["unet"]["patch"], recipes["unetr"]["patch"]) == (32, 64)
    assert {recipe["seed"] for recipe in recipes.values()} == {4}
    with pytest.raises(SettingsError, match="not asked for"):
        chosen_networks(["unet"], ["unetr:steps=9"], seed=0)


def test_the_command_is_a_job(hospital, tmp_path):
    arguments = ["study", "pretraining", hospital["scans"], "-o", tmp_path / "out", "--subset", 1, "--n", 1]
    arguments += ["--cases", hospital["cases"], "--network", "unet", "--pretrain-set", "steps=1"]
    arguments += ["--pretrain-set", "unet:patch=32", "--pretrain-set", "batch=1"]
    arguments += ["--set", "steps=1", "--set", "patch=32", "--set", "batch=1", "--events"]
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "result" and Path(events[-1]["report"]).is_file()
    wrong = CliRunner().invoke(app, [*list(map(str, arguments)), "--network", "resnet"])
    assert wrong.exit_code == 1 and "no preset 'resnet'" in wrong.stdout
