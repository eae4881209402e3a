"""Fine-tuned against de novo by rotation: nobody is judged by a network that saw this patient."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from MSLesionSegLib.cli import app
from MSLesionSegLib.errors import ModelError, OutputError, SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.models.store import load_model, read_card, save_model
from MSLesionSegLib.studies.engine.base_models import leakage_warnings
from MSLesionSegLib.studies.engine.cells import Cell
from MSLesionSegLib.studies.engine.rotation import make_subsets, rotation
from MSLesionSegLib.studies.engine.study_cases import StudyCase, patient_of, prepared_centre
from MSLesionSegLib.studies.rerun import rerun
from MSLesionSegLib.studies.transfer.cells import transfer_cells
from MSLesionSegLib.studies.transfer.settings import TransferData, TransferSettings
from MSLesionSegLib.studies.transfer.study import run_transfer
from MSLesionSegLib.training.examples.example import Example
from MSLesionSegLib.training.examples.known_patients import patient_codes
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from phantoms.study_phantoms import write_centre, write_examples

pytestmark = pytest.mark.usefixtures("small_patients")

QUICK = TrainingRecipe(steps=2, patch=16, batch=1, warm_up=1, insertion=0, thick_slices=0)


def scans_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "scans.csv").open() as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def hospital(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("data")
    write_examples(root / "other", 2)
    return {
        "here": write_centre(root / "here", 3, readers=True),
        "elsewhere": write_centre(root / "elsewhere", 2, seed=1),
        "other": root / "other",
    }


@pytest.fixture
def settings(models) -> TransferSettings:
    recipe = QUICK.as_dict()
    return TransferSettings(bases=("tiny",), subset=1, sizes=(1, 2), recipe=recipe, base_recipe=recipe)


@pytest.mark.parametrize("subsets", [2, 3, 5, 6])
def test_every_subset_is_tested_once_and_never_trained_on_by_its_judge(subsets):
    for training in range(1, subsets):
        folds = rotation(subsets, training)
        assert sorted(fold.test for fold in folds) == list(range(subsets))
        assert all(fold.test not in fold.train and len(set(fold.train)) == training for fold in folds)


def test_the_rotation_is_that_of_the_paper():
    assert rotation(6, 1)[0].train == (0,) and rotation(6, 1)[0].test == 1
    assert rotation(6, 1)[5].train == (5,) and rotation(6, 1)[5].test == 0


@pytest.mark.parametrize("training", [0, 3, 4])
def test_a_rotation_without_a_subset_to_test_is_refused(training):
    with pytest.raises(SettingsError):
        rotation(3, training)


def test_all_scans_of_a_patient_stay_together():
    names = [f"sub-{k:02d}_ses-{s}" for k in range(7) for s in range(1 + k % 3)]
    cases = [StudyCase("site", name.split("_")[0], Example(Path(name), "site")) for name in names]
    subsets = make_subsets(cases, 2, seed=3)
    patients = [{case.patient for case in subset} for subset in subsets]
    assert [len(p) for p in patients] == [2, 2, 2]
    assert len(set().union(*patients)) == 6
    assert make_subsets(cases[::-1], 2, seed=3) == subsets
    assert make_subsets(cases, 2, seed=4) != subsets


def leaks(cells: list[Cell]) -> tuple[int, list[str]]:
    """How many tests there are, and which cells test a patient that they, a forerunner or their base has seen."""
    trained: dict[str, set] = {}
    tested, found = 0, []
    for cell in cells:
        own = {c["name"] for c in cell.settings.get("train", [])}
        if "base" in cell.files:
            codes = read_card(Path(cell.files["base"])).training.get("patients", ())
            everyone = {c["name"] for one in cells for c in one.settings["test"]}
            own |= {n for n in everyone if hashlib.sha256(patient_of(n).encode()).hexdigest()[:16] in codes}
        trained[cell.name] = own.union(*(trained[name] for name in cell.needs))
        for case in cell.settings["test"]:
            tested += 1
            if case["name"] in trained[cell.name]:
                found.append(cell.name)
    return tested, found


def test_no_cell_of_the_plan_tests_a_patient_that_it_its_forerunner_or_its_base_was_trained_on(
    hospital, settings, tmp_path
):
    subsets, outside = subsets_and_outside(hospital, tmp_path)
    others = prepared_centre(hospital["other"], tmp_path, Silent())
    tiny = load_model("tiny")

    def planned(name: str, seen: list[StudyCase]) -> list[Cell]:
        codes = patient_codes([case.example for case in seen])
        card = replace(tiny.card, name=name, training={"patients": codes}, weights_sha256="")
        base = str(save_model(tmp_path / "store", tiny.network, card))
        chosen = replace(settings, bases=(base,), levels=(3,))
        told = leakage_warnings(chosen.bases, [*(case for subset in subsets for case in subset), *outside])
        assert bool(told) == (name == "leaky")
        return transfer_cells(chosen, subsets, outside, others)

    assert leaks(planned("honest", others)) == (63, [])
    count, found = leaks(planned("leaky", list(subsets[0])))
    assert count == 63 and {name.split(".")[1] for name in found} == {"default", "fine-tuned"}


def test_a_whole_study_resumes_reruns_and_writes_its_page(hospital, settings, tmp_path):
    data = TransferData((str(hospital["here"]),), (str(hospital["elsewhere"]),), (str(hospital["other"]),))
    chosen = replace(settings, levels=(3,), base=4, sizes=(1,))
    page = run_transfer(chosen, data, tmp_path / "one", "local", Silent())
    scans = scans_of(tmp_path / "one")
    for network in ("tiny", "3-levels"):
        own = [s for s in scans if s["network"] == network]
        for method in ("fine-tuned", "de novo"):
            names = [s["scan"] for s in own if (s["method"], s["protocol"]) == (method, "rotation")]
            assert sorted(names) == [f"sub-here{k:02d}" for k in range(3)]
            outside = [s for s in own if (s["method"], s["protocol"]) == (method, "external, leave one out")]
            assert len(outside) == 2
    readers = [s for s in scans if s["method"] == "second reader"]
    assert len(readers) == 1 and float(readers[0]["ppv"]) == 1 and float(readers[0]["sensitivity"]) < 1
    html = page.read_text()
    for text in ("fine-tuned, n = 1", "second reader", "Bonferroni", "Another institution", "data:image/png"):
        assert text in html
    figures = {p.name for p in (tmp_path / "one" / "figures").iterdir()}
    assert {"bars-tiny.png", "bars-tiny.svg", "slices-tiny.png", "slices-tiny.svg"} <= figures

    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "one" / "cells").glob("*/cell.json")}
    assert len(before) == 30
    run_transfer(chosen, data, tmp_path / "one", "local", Silent())
    assert {p: p.stat().st_mtime_ns for p in before} == before

    rerun(tmp_path / "one" / "study.json", tmp_path / "two", "local", Silent())
    assert scans_of(tmp_path / "two") == scans
    for name in ("scans.csv", "tests.csv", "figures/bars-tiny.png", "figures/slices-tiny.svg"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes(), name

    with pytest.raises(OutputError, match="another settings"):
        run_transfer(replace(chosen, seed=5), data, tmp_path / "one", "local", Silent())


def test_a_study_whose_cases_changed_is_not_called_a_rerun(hospital, settings, tmp_path):
    data = TransferData((str(write_centre(tmp_path / "mine", 2)),))
    run_transfer(replace(settings, sizes=(1,)), data, tmp_path / "one", "local", Silent())
    record = tmp_path / "one" / "study.json"
    content = json.loads(record.read_text())
    content["cases"][0]["sha256"] = "0" * 64
    record.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match="not those of the earlier run"):
        rerun(record, tmp_path / "two", "local", Silent())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bases": ()}, "--base"),
        ({"levels": (3,)}, "--base-cases"),
        ({"subset": 2, "sizes": (3,)}, "multiples"),
        ({"subset": 3, "sizes": (3,)}, "no two subsets"),
        ({"sizes": (4,)}, "one must be left"),
        ({"bases": ("nobody",)}, "nobody"),
    ],
)
def test_impossible_settings_are_told_and_nothing_is_begun(hospital, settings, tmp_path, change, sentence):
    data = TransferData((str(hospital["here"]),))
    with pytest.raises((SettingsError, ModelError), match=sentence):
        run_transfer(replace(settings, **change), data, tmp_path / "out", "local", Silent())
    assert not (tmp_path / "out" / "study.json").exists()


def test_a_folder_with_other_files_is_not_a_study(hospital, settings, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("a")
    with pytest.raises(OutputError, match="not a study"):
        run_transfer(
            settings, TransferData((str(hospital["here"]),)), tmp_path / "letters", "local", Silent()
        )


def test_the_command_is_a_job(hospital, models, tmp_path):
    arguments = [
        "study",
        "transfer",
        hospital["here"],
        "-o",
        tmp_path / "out",
        "--base",
        "tiny",
        "--subset",
        1,
    ]
    arguments += ["--n", 1, "--set", "steps=1", "--set", "patch=16", "--set", "batch=1", "--events"]
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "result" and Path(events[-1]["report"]).is_file()
    record = json.loads(Path(events[-1]["record"]).read_text())
    assert record["settings"]["recipe"]["steps"] == 1
    assert len(record["cases"]) == 3 and all(len(case["sha256"]) == 64 for case in record["cases"])
    assert "torch" in record["versions"]
    wrong = CliRunner().invoke(app, [*list(map(str, arguments)), "--set", "colour=red"])
    assert wrong.exit_code == 1


def test_the_networks_of_the_study_have_the_levels_asked_for(hospital, settings, tmp_path):
    from MSLesionSegLib.studies.engine.study_cases import native_centre

    cases = native_centre(hospital["here"], tmp_path, Silent())
    chosen = replace(settings, bases=(), levels=(3, 4, 5), base=4)
    cells = transfer_cells(chosen, make_subsets(cases, 1, 0), [], cases)
    levels = {
        Architecture.from_dict(cell.settings["architecture"]).levels
        for cell in cells
        if "architecture" in cell.settings
    }
    assert levels == {3, 4, 5}


def test_a_case_set_is_a_centre_and_its_bad_cases_are_told(hospital, tmp_path):
    from MSLesionSegLib.cases.adding import AddRequest, add_case
    from MSLesionSegLib.studies.engine.study_cases import native_centre
    from MSLesionSegLib.training.examples.dataset_examples import find_scans

    scans = list(find_scans(hospital["here"]))
    added = [add_case(AddRequest(tmp_path / "set", "flair", {"flair": s.image}, s.mask)).case for s in scans]
    added[2].mask.write_bytes(b"damaged")
    told = []

    class Listener(Silent):
        def warning(self, code, sentence):
            told.append(sentence)

    cases = native_centre(tmp_path / "set", tmp_path / "material", Listener())
    assert {case.patient for case in cases} == {case.subject for case in added[:2]}
    assert all(case.scan.image.exists() and case.brain.exists() for case in cases)
    assert any(added[2].case_id in sentence for sentence in told)


def test_a_pre_trained_encoder_is_fine_tuned_but_not_tested_as_a_default_model(
    hospital, settings, tmp_path, models
):
    tiny = load_model("tiny")
    card = replace(tiny.card, name="encoder", recipe={"pretext": "masked"}, weights_sha256="")
    folder = save_model(tmp_path / "store", tiny.network, card)
    cells = transfer_cells(
        replace(settings, bases=(str(folder),)), *subsets_and_outside(hospital, tmp_path), []
    )
    methods = {cell.settings["what"]["method"] for cell in cells}
    assert methods == {"fine-tuned", "de novo", "second reader"}
    starts = {
        cell.settings["start"]["model"] for cell in cells if "model" in (cell.settings.get("start") or {})
    }
    assert starts == {"encoder"}


def subsets_and_outside(hospital, folder):
    from MSLesionSegLib.studies.engine.study_cases import native_centre

    cases = native_centre(hospital["here"], folder, Silent())
    return make_subsets(cases, 1, 0), native_centre(hospital["elsewhere"], folder, Silent())
