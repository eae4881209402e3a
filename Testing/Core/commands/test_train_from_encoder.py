"""``mslesionseg train --from`` a model whose encoder was pre-trained without masks, for every kind of network."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from MSLesionSegLib.cli import app
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.store import load_model
from MSLesionSegLib.training.pretraining.run import PretrainingRecipe, pretrain
from phantoms.case_fixtures import add_flair
from phantoms.study_phantoms import write_examples

pytestmark = pytest.mark.usefixtures("short_trials")

KINDS = {
    "unet": (Architecture(base=4, levels=3), 32, ("input_block", "downsamples", "bottleneck")),
    "unetr": (Architecture(kind="unetr", base=4, patch=32, hidden=24, heads=2), 32, ("vit",)),
    "swinunetr": (Architecture(kind="swinunetr", base=12), 64, ("swinViT",)),
}


@pytest.fixture(scope="module")
def case_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clinic")
    for seed, split in ((1, "training"), (2, "validation")):
        add_flair(folder / "set", folder / f"in{seed}", seed, split=split)
    return folder / "set"


@pytest.mark.parametrize("kind", ["unet", "unetr", pytest.param("swinunetr", marks=pytest.mark.slow)])
def test_training_starts_from_the_pre_trained_encoder(kind, case_set, tmp_path, monkeypatch):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path / "models"))
    architecture, patch, encoder = KINDS[kind]
    scans = write_examples(tmp_path / "scans", 2)
    recipe = PretrainingRecipe(steps=2, batch=1, patch=patch, learning_rate=1e-2)
    pretrain("encoder", architecture, recipe, scans, tmp_path / "models", checkpoint=tmp_path / "c.pt")
    arguments = ["train", "--cases", str(case_set), "--from", "encoder", "--tune", "decoder", "--no-replay"]
    for setting in (
        "minutes=0",
        "steps=2",
        "validations=1",
        f"patch={patch}",
        "batch=1",
        "learning_rate=0.01",
    ):
        arguments += ["--set", setting]
    done = CliRunner().invoke(app, [*arguments, "--name", "new", "--device", "cpu", "--events"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1])["model"] == "new"
    base, new = load_model("encoder"), load_model("new")
    assert new.card.parent == "encoder" and new.card.architecture == architecture
    torch.manual_seed(recipe.seed)
    random = dict(build(architecture).named_parameters())
    learnt = dict(base.network.named_parameters())
    kept = {name: value for name, value in new.network.named_parameters() if name.startswith(encoder)}
    assert kept and all(torch.equal(value, learnt[name]) for name, value in kept.items())
    assert not all(torch.equal(value, random[name].half().float()) for name, value in kept.items())
    rest = {name: value for name, value in new.network.named_parameters() if name not in kept}
    assert not all(torch.equal(value, learnt[name]) for name, value in rest.items())
