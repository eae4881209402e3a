"""Centres one after the other: who is trained on whom, and what is measured."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from MSLesionSegLib.cli import app
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import read_card, save_model
from MSLesionSegLib.studies.continual.backward_transfer import backward_transfer, zero_shot
from MSLesionSegLib.studies.continual.cells import continual_cells, sequences
from MSLesionSegLib.studies.continual.settings import ContinualData, ContinualSettings
from MSLesionSegLib.studies.continual.study import run_continual
from MSLesionSegLib.studies.engine.centres import split_centre
from MSLesionSegLib.studies.engine.recipes import study_recipe
from MSLesionSegLib.studies.engine.study_cases import prepared_centre
from MSLesionSegLib.studies.rerun import rerun
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from phantoms.study_phantoms import write_examples

pytestmark = pytest.mark.usefixtures("small_window")

QUICK = TrainingRecipe(
    steps=30,
    patch=16,
    batch=1,
    warm_up=1,
    insertion=0,
    thick_slices=0,
    geometry=0,
    intensity=0,
    learning_rate=1e-2,
)


@pytest.fixture(scope="module")
def centres(tmp_path_factory) -> list[Path]:
    """Lesions are bright at two centres and dark at the last one, as on another contrast."""
    root = tmp_path_factory.mktemp("centres")
    for k, (name, contrast) in enumerate((("bright", 3.0), ("brighter", 4.0), ("dark", -4.0))):
        write_examples(root / name, 3, seed=k, contrast=contrast)
    return [root / name for name in ("bright", "brighter", "dark")]


def test_backward_transfer_is_the_formula_of_the_paper():
    scores = np.array([[0.6, 0.2, 0.1], [0.5, 0.7, 0.3], [0.3, 0.8, 0.9]])
    found = backward_transfer(scores)
    assert found.by_centre == pytest.approx([-0.3, 0.1, 0.0])
    assert found.mean == pytest.approx(1 / (3 - 1) * ((0.3 - 0.6) + (0.8 - 0.7)))


def test_backward_transfer_after_every_step_sees_what_is_learnt_again_later():
    scores = np.array([[0.6, 0.2, 0.1], [0.1, 0.7, 0.3], [0.6, 0.7, 0.9]])
    found = backward_transfer(scores)
    assert found.mean == pytest.approx(0.0)
    assert found.along_the_way == pytest.approx(((0.1 - 0.6) + (0.6 - 0.6) + (0.7 - 0.7)) / 3)


def test_a_mean_of_the_papers_table_comes_out():
    bwt = np.array([-0.07, -0.171, -0.284, -0.083, -0.119, -0.061, -0.061, 0.0])
    scores = np.diag(np.full(8, 0.6))
    scores[-1] = 0.6 + bwt
    found = backward_transfer(scores)
    assert found.by_centre == pytest.approx(bwt) and found.mean == pytest.approx(bwt.sum() / 7)


def test_zero_shot_averages_the_centres_still_to_come():
    scores = np.array([[0.6, 0.2, 0.1], [0.5, 0.7, 0.3], [0.3, 0.8, 0.9]])
    assert zero_shot(scores) == pytest.approx([0.15, 0.3])


def test_a_centre_without_lesions_to_test_on_is_left_out_of_the_means():
    scores = np.array([[0.6, np.nan, 0.1], [0.5, np.nan, 0.3], [0.3, np.nan, 0.9]])
    assert backward_transfer(scores).mean == pytest.approx(-0.3)
    assert zero_shot(scores) == pytest.approx([0.1, 0.3])


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4,)])
def test_scores_that_are_no_sequence_are_refused(shape):
    with pytest.raises(ValueError):
        backward_transfer(np.zeros(shape))


def test_the_first_order_is_the_given_one_and_all_are_complete():
    orders = sequences(5, 4)
    assert orders[0] == (0, 1, 2, 3, 4)
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders)
    assert len(set(orders)) == 4 and orders == sequences(5, 4)
    assert len(set(sequences(3, 6))) == 6  # every order there is, none twice


def test_no_training_and_no_buffer_ever_holds_a_test_patient(centres, tmp_path):
    split = [split_centre(c.name, prepared_centre(c, tmp_path, Silent()), 0.2) for c in centres]
    cells = continual_cells(
        ContinualSettings(recipe=QUICK.as_dict(), orders=3, seeds=(0, 1), buffer=1), split
    )
    tested = {case.name for centre in split for case in centre.test}
    assert len(tested) == 3
    for cell in cells:
        seen = {case["name"] for case in cell.settings["train"] + cell.settings["buffer"]}
        assert not seen & tested
        assert {case["name"] for case in cell.settings["test"]} == tested
    replays = [cell for cell in cells if cell.name.startswith("replay.order0.seed0")]
    assert [len(cell.settings["buffer"]) for cell in replays] == [1, 2]
    assert all(cell.settings["recipe"]["batch"] == 2 * QUICK.batch for cell in replays)
    sites = {case["site"] for case in replays[-1].settings["buffer"]}
    assert sites == {"bright", "brighter"}


def test_trainings_that_follow_no_other_start_from_the_base_model_if_there_is_one(centres, tmp_path):
    split = [split_centre(c.name, prepared_centre(c, tmp_path, Silent()), 0.2) for c in centres]
    tiny = Architecture(feature_maps=4, levels=3)
    base = save_model(tmp_path / "models", build(tiny), ModelCard("base", "flair", tiny, ("FLAIR",)))
    for start, expected in ((None, None), (str(base), "base")):
        cells = continual_cells(ContinualSettings(start=start, recipe=QUICK.as_dict()), split)
        first = [cell for cell in cells if not cell.needs]
        assert {cell.name.split(".")[0] for cell in first} == {"single-domain", "multi-domain"}
        assert {(cell.settings["start"] or {}).get("model") for cell in first} == {expected}
        assert all(("base" in cell.files) == (start is not None) for cell in first)
        assert all(cell.settings["start"] == {"cell": cell.needs[0]} for cell in cells if cell.needs)


def test_whole_patients_are_split(tmp_path):
    cases = prepared_centre_of_visits(tmp_path)
    centre = split_centre("visits", cases, 0.5)
    assert {c.patient for c in centre.train}.isdisjoint({c.patient for c in centre.test})
    with pytest.raises(SettingsError, match="one patient only"):
        split_centre("visits", [c for c in cases if c.patient == "sub-0"], 0.5)


def prepared_centre_of_visits(folder):
    from MSLesionSegLib.studies.engine.study_cases import StudyCase, patient_of
    from MSLesionSegLib.training.examples.example import Example

    names = [f"sub-{k}_ses-{s}" for k in range(4) for s in range(3)]
    return [StudyCase("visits", patient_of(n), Example(folder / n, "visits")) for n in names]


def test_another_contrast_is_forgotten_and_replay_protects_and_a_rerun_gives_the_same(centres, tmp_path):
    settings = ContinualSettings(levels=3, base=4, recipe=QUICK.as_dict(), buffer=2)
    page = run_continual(
        settings, ContinualData(tuple(map(str, centres))), tmp_path / "one", "local", Silent()
    )
    with (tmp_path / "one" / "backward-transfer.csv").open() as stream:
        mean = {
            row["experiment"]: float(row["bwt"]) for row in csv.DictReader(stream) if row["centre"] == "mean"
        }
    assert mean["fine-tuning"] < -0.1
    assert mean["replay"] > mean["fine-tuning"] + 0.1
    with (tmp_path / "one" / "matrices.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 3 * 9 + 3
    html = page.read_text()
    assert "Replay&#39;s mean backward transfer at the end is higher" in html
    assert "backward transfer after every step is higher" in html and html.count("data:image/png") == 2
    figures = {p.name for p in (tmp_path / "one" / "figures").iterdir()}
    assert figures == {"matrices.png", "matrices.svg", "zero-shot.png", "zero-shot.svg"}
    rerun(tmp_path / "one" / "study.json", tmp_path / "two", "local", Silent())
    for name in ("scans.csv", "matrices.csv", "backward-transfer.csv"):
        assert (tmp_path / "two" / name).read_text() == (tmp_path / "one" / name).read_text()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"buffer": 21}, "1 to 20"),
        ({"orders": 0}, "at least one order"),
        ({"orders": 25}, "orders, not 25"),
        ({"test_share": 1.0}, "test share"),
    ],
)
def test_impossible_settings_are_refused(centres, tmp_path, change, sentence):
    settings = ContinualSettings(recipe=QUICK.as_dict(), **change)
    with pytest.raises(SettingsError, match=sentence):
        run_continual(settings, ContinualData(tuple(map(str, centres))), tmp_path / "x", "local", Silent())
    assert not (tmp_path / "x").exists()


def test_the_command_tells_a_centre_that_is_not_there_in_a_sentence(centres, tmp_path):
    arguments = [
        "study",
        "continual",
        str(centres[0]),
        str(tmp_path / "nowhere"),
        "-o",
        str(tmp_path / "x"),
        "--events",
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "nowhere holds neither" in json.loads(done.stdout.splitlines()[-1])["sentence"]


def test_softseg_trains_with_soft_labels_and_a_normalised_relu(centres, tmp_path):
    recipe = study_recipe("replay", ["steps=2", "batch=1", "patch=32"])
    settings = ContinualSettings(levels=3, base=4, recipe=recipe.as_dict())
    data = ContinualData(tuple(map(str, centres[:2])))
    run_continual(settings, data, tmp_path / "soft", "local", Silent())
    cells = tmp_path / "soft" / "cells"
    card = read_card(cells / "replay.order0.seed0.brighter" / "network")
    assert card.activation == "normalised-relu"
    content = json.loads((cells / "replay.order0.seed0.brighter" / "cell.json").read_text())
    assert content["settings"]["recipe"]["batch"] == 2 and content["settings"]["recipe"]["soft_labels"]
    dices = [scan["dice"] for scan in content["findings"]["scans"]]
    assert len(dices) == 2 and all(0 <= dice <= 1 for dice in dices)
