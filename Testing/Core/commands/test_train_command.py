"""``mslesionseg train`` and ``models``: from a case set to a model in use, as a person or a front end drives it."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from MSLesionSegLib.cases.case_set import read_cases
from MSLesionSegLib.cli import app
from MSLesionSegLib.errors import Cancelled
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.model_in_use import active_model, use_model
from MSLesionSegLib.network.models.store import load_model, read_card, save_model
from MSLesionSegLib.training.examples.case_examples import prepare_case
from MSLesionSegLib.training.examples.example import fingerprint, read_examples
from MSLesionSegLib.training.fine_tuning import model_update as module
from MSLesionSegLib.training.fine_tuning.gate_cases import hold_out
from phantoms.case_fixtures import add_flair
from phantoms.lesion_examples import add_example
from support.worker_processes import ForkedProcess

pytestmark = pytest.mark.usefixtures("short_trials")

TINY = Architecture(feature_maps=4, levels=3)
QUICK = ["minutes=0", "steps=2", "validations=1", "patch=32"]


@pytest.fixture(scope="module")
def case_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clinic")
    for seed, split in ((1, "training"), (2, "training"), (3, "validation")):
        add_flair(folder / "set", folder / f"in{seed}", seed, split=split)
    return folder / "set"


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path / "models"))
    torch.manual_seed(0)
    save_model(
        tmp_path / "models",
        build(TINY),
        ModelCard("start", "flair", TINY, ("FLAIR",), parent="flair-ms", training={"patients": []}),
    )
    use_model("start")
    return tmp_path / "models"


def mslesionseg(*arguments: object) -> tuple[int, list[dict], str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    events = [json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{"]
    return done.exit_code, events, done.stderr


def train(case_set, *more: object) -> tuple[int, list[dict], str]:
    settings = [part for text in QUICK for part in ("--set", text)]
    return mslesionseg("train", "--cases", case_set, *settings, "--name", "new", "--events", *more)


def test_a_case_becomes_a_stored_model_with_the_gates_verdict(case_set, store, tmp_path):
    buffer = tmp_path / "buffer"
    for k in range(4):
        add_example(buffer, f"old{k}", seed=k, site="earlier")
    code, events, errors = train(case_set, "--replay", buffer)
    assert code == 0, errors
    result = events[-1]
    assert result["event"] == "result" and result["model"] == "new"
    assert result["folder"] == str(store / "new")
    gate = result["gate"]
    # one validation case is too few to promote, unless the earlier site decides against it
    assert gate["verdict"] in ("undecided", "refuse") and gate["sentence"]
    assert [entry["site"] for entry in gate["earlier_sites"]] == ["earlier"]
    assert set(gate["old"]) == set(gate["new"]) >= {"dice", "f1", "sensitivity", "ppv", "false_positives"}
    assert result["in_use"] == active_model("flair") == "start"
    metrics = {e["name"]: e for e in events if e["event"] == "metric"}
    assert {"validation_dice", "validation_f1"} <= set(metrics)
    assert {"step", "epoch"} <= set(metrics["validation_f1"])
    card = read_card(store / "new")
    assert card.results["gate"]["compared with"] == "start" and card.parent == "start"
    trained_on = hold_out(read_examples(buffer))[0]
    assert card.training["replay_examples"] == {"earlier": len(trained_on)}
    assert sorted(p.name for p in (store / ".runs").iterdir()) == []
    progress = [e for e in events if e["event"] == "progress"]
    told = [e["fraction"] for e in progress]
    assert told == sorted(told)
    assert progress[0]["stage"] == "load model"
    early = ("load model", "prepare cases", "measure speed")
    assert all((e["eta_s"] is None) == (e["stage"] in early) for e in progress)


def test_training_never_sees_a_validation_case(case_set, store, tmp_path):
    code, _, errors = train(case_set, "--no-replay")
    assert code == 0, errors
    cases = read_cases(case_set)
    examples = [
        prepare_case(case, tmp_path / f"{case.case_id}_{case.sha256[:12]}") for case in cases.training
    ]
    assert read_card(store / "new").training["fingerprint"] == fingerprint(examples)
    assert read_card(store / "new").training["validation_cases"] == 1


def test_corrected_regions_are_the_examples_focus(tmp_path):
    added = add_flair(tmp_path / "set", tmp_path / "in", 5)
    mask = nib.load(added.case.mask)
    draft = nib.Nifti1Image(np.zeros(mask.shape, np.uint8), mask.affine)
    nib.save(draft, tmp_path / "draft.nii.gz")
    case = replace(added.case, draft=tmp_path / "draft.nii.gz")
    example = prepare_case(case, tmp_path / "example")
    label = np.asarray(example.array("label")).ravel()
    focus = np.asarray(example.array("focus_index"))
    assert len(focus) and (label[focus] > 127).all()
    unchanged = prepare_case(replace(case, draft=case.mask), tmp_path / "unchanged")
    assert len(unchanged.array("focus_index")) == 0


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--recipe", "magic"], "ms-transfer"),
        (["--set", "colour=blue"], "colour"),
        (["--tune", "brain"], "decoder"),
        (["--from", "nobody"], "nobody"),
        (["--task", "tumour"], "tumour"),
        (["--name", "../up"], "cannot be a model name"),
        (["--name", "start"], "exists already"),
        (["--set", "patch=33"], "patch of 33 voxels: take 32 or 40"),
        (["--minutes", "nan"], "minutes must be a number, not nan"),
        (["--minutes", "inf"], "minutes must be a number, not inf"),
        (["--minutes", "1e9"], "30 days"),
        (["--set", "learning_rate=nan"], "learning_rate must be a number"),
        (["--set", "learning_rate=-1"], "learning_rate must be above 0"),
        (["--set", "lesion_share=nan"], "lesion_share must be a number"),
        (["--set", "weight_decay=-1"], "cannot be negative"),
        (["--name", "flair-ms"], "came with the program"),
        (["--name", "brain"], "came with the program"),
    ],
)
def test_a_wrong_wish_is_answered_with_a_sentence_and_changes_nothing(case_set, store, more, word):
    code, events, errors = train(case_set, *more)
    assert code == 1
    assert word in (events[-1]["sentence"] if events else errors)
    assert sorted(p.name for p in store.iterdir()) == ["active.json", "start"]


def test_models_can_be_used_rolled_back_exported_and_imported(store, tmp_path, monkeypatch):
    save_model(store, build(TINY), ModelCard("second", "flair", TINY, ("FLAIR",), parent="start"))
    assert mslesionseg("models", "use", "second", "--events")[1][-1]["model"] == "second"
    listed = mslesionseg("models", "list", "--events")[1][-1]["models"]
    assert [m["name"] for m in listed if m["in_use"] and m["task"] == "flair"] == ["second"]
    assert {m["name"]: m["parent"] for m in listed}["second"] == "start"
    back = mslesionseg("models", "rollback", "--task", "flair", "--events")[1][-1]
    assert (back["task"], back["model"]) == ("flair", "start")
    code, events, _ = mslesionseg("models", "export", "second", "-o", tmp_path / "second.zip", "--events")
    assert code == 0 and events[-1]["file"] == str(tmp_path / "second.zip")
    code, events, _ = mslesionseg("models", "import", tmp_path / "second.zip", "--name", "third", "--events")
    assert code == 0 and events[-1]["model"] == "third" and load_model("third")
    page = tmp_path / "page.html"
    assert mslesionseg("models", "show", "third", "--page", page)[0] == 0
    assert "<h1>Model third</h1>" in page.read_text()


def test_two_models_are_compared_on_the_validation_cases(case_set, store):
    save_model(store, build(TINY), ModelCard("second", "flair", TINY, ("FLAIR",)))
    code, events, errors = mslesionseg(
        "models", "compare", "start", "second", "--cases", case_set, "--events"
    )
    assert code == 0, errors
    gate = events[-1]["gate"]
    assert gate["verdict"] == "undecided" and gate["cases"] == 1


def test_the_same_examples_are_held_out_however_the_buffer_grows(tmp_path):
    members = [add_example(tmp_path, f"old{k:02d}", seed=k, lesions=1) for k in range(12)]
    trained, kept = hold_out(members)
    assert sorted(e.name for e in (*trained, *kept)) == [e.name for e in members]
    assert 1 <= len(kept) <= 8
    assert set(hold_out(members[:10])[1]) <= set(kept)
    assert hold_out(members[:1]) == (members[:1], [])


def test_too_few_cases_to_split_are_measured_by_leaving_one_out(case_set, store):
    code, events, errors = train(case_set, "--leave-one-out")
    assert code == 0, errors
    gate = events[-1]["gate"]
    assert gate["cases"] == 3  # two left out in turn, and the validation case
    assert gate["verdict"] in ("promote", "refuse")
    assert events[-1]["in_use"] == ("new" if gate["verdict"] == "promote" else "start")
    assert read_card(store / "new").training["cases"] == 2
    assert sorted(p.name for p in store.iterdir()) == [".runs", "active.json", "new", "start"]


def test_the_second_leave_one_out_starts_from_what_never_saw_the_cases_and_compares_with_it(case_set, store):
    code, _, errors = train(case_set)
    assert code == 0, errors
    use_model("new")
    settings = [part for text in QUICK for part in ("--set", text)]
    code, events, errors = mslesionseg(
        "train", "--cases", case_set, *settings, "--name", "second", "--events", "--leave-one-out"
    )
    assert code == 0, errors
    assert "compares with start: new was trained on some of these patients" in events[-1]["gate"]["sentence"]
    assert any(e["event"] == "warning" and "compares with start" in e["sentence"] for e in events)


def unnamed(case_set) -> list[str]:
    settings = [part for text in QUICK for part in ("--set", text)]
    return ["train", "--cases", str(case_set), *settings, "--events"]


def never(*_, **__):
    raise AssertionError("the model was trained already")


def die_in_the_gate(arguments: list[str]) -> None:
    module.judge_candidate = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
    app(arguments)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_run_killed_in_the_gate_goes_on_with_the_gate(case_set, store, monkeypatch):
    child = ForkedProcess(target=die_in_the_gate, args=(unnamed(case_set),))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    weights = (store / "flair-tuned-1" / "weights.safetensors").read_bytes()
    assert (store / ".runs" / "flair-tuned-1" / "examples").exists()
    with monkeypatch.context() as patch:
        patch.setattr(module, "fine_tune", never)
        code, events, errors = mslesionseg(*unnamed(case_set))
    assert code == 0, errors
    assert events[-1]["model"] == "flair-tuned-1" and events[-1]["gate"]["sentence"]
    assert "gate" in read_card(store / "flair-tuned-1").results
    assert (store / "flair-tuned-1" / "weights.safetensors").read_bytes() == weights
    assert list((store / ".runs").iterdir()) == []


def test_a_run_cancelled_in_the_gate_keeps_no_brains_and_goes_on_with_the_gate(case_set, store, monkeypatch):
    def cancelled(*_, **__):
        raise Cancelled

    with monkeypatch.context() as patch:
        patch.setattr(module, "judge_candidate", cancelled)
        code, events, _ = train(case_set)
    assert code == 130 and "in the gate, the same command resumes" in events[-1]["sentence"]
    assert (store / "new").exists() and list((store / ".runs").iterdir()) == []
    with monkeypatch.context() as patch:
        patch.setattr(module, "fine_tune", never)
        code, events, errors = train(case_set)
    assert code == 0, errors
    assert "gate" in read_card(store / "new").results
    assert train(case_set)[1][-1]["sentence"].startswith("A model named new exists already")


def test_a_run_that_ends_early_keeps_its_checkpoint_and_no_brains(case_set, store, monkeypatch):
    def interrupted(tuning, *_):
        (tuning.work / "features-1").mkdir(parents=True)
        (tuning.work / "checkpoint.pt").write_bytes(b"weights")
        assert list((store / ".runs" / "new" / "examples").iterdir())
        raise Cancelled

    monkeypatch.setattr(module, "fine_tune", interrupted)
    assert train(case_set)[0] == 130
    left = [path for path in (store / ".runs").rglob("*") if path.is_file()]
    assert left == [store / ".runs" / "new" / "run" / "checkpoint.pt"]


def test_leave_one_out_is_offered_with_its_time_when_there_are_too_few_cases(case_set, store):
    code, events, errors = train(case_set, "--set", "minutes=5")
    assert code == 0, errors
    assert "Leave-one-out takes about 15 minutes, 3 trainings" in events[-1]["gate"]["sentence"]
