"""``mslesionseg train --from`` a model whose encoder was pre-trained without masks."""

from __future__ import annotations

import pytest
import torch

from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.models.store import load_model
from MSLesionSegLib.training.pretraining.run import PretrainingRecipe, pretrain
from phantoms.case_fixtures import add_flair
from phantoms.study_phantoms import write_examples
from support.command_calls import events


@pytest.mark.usefixtures("short_trials")
def test_training_starts_from_the_pre_trained_encoder(tmp_path, monkeypatch):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path / "models"))
    for seed, split in ((1, "training"), (2, "validation")):
        add_flair(tmp_path / "set", tmp_path / f"in{seed}", seed, split=split)
    architecture = Architecture(feature_maps=4, levels=3)
    scans = write_examples(tmp_path / "scans", 2)
    recipe = PretrainingRecipe(steps=2, batch=1, patch=32)
    pretrain("encoder", architecture, recipe, scans, tmp_path / "models", checkpoint=tmp_path / "c.pt")
    arguments = [
        "train",
        "--cases",
        tmp_path / "set",
        "--from",
        "encoder",
        "--tune",
        "decoder",
        "--no-replay",
    ]
    for setting in ("minutes=0", "steps=2", "validations=1", "patch=32", "batch=1", "learning_rate=0.01"):
        arguments += ["--set", setting]
    assert events(*arguments, "--name", "new", "--device", "cpu")[-1]["model"] == "new"
    base, new = load_model("encoder"), load_model("new")
    assert new.card.parent == "encoder" and new.card.architecture == architecture
    same = {
        name
        for (name, value), learnt in zip(
            new.network.named_parameters(), base.network.parameters(), strict=True
        )
        if torch.equal(value, learnt)
    }
    encoder = ("input_block", "downsamples", "bottleneck")
    every = {name for name, _ in new.network.named_parameters()}
    assert {name for name in every if name.startswith(encoder)} <= same < every
