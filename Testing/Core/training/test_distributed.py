"""Two processes train one network together as one process does alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import load_model, read_card, save_model
from phantoms.case_fixtures import add_flair
from support.command_calls import events

TINY = Architecture(feature_maps=4, levels=3)
SETTINGS = ["minutes=0", "steps=6", "validations=1", "patch=32", "learning_rate=1e-3"]


def arguments(cases: Path, name: str) -> list[str]:
    settings = [part for text in SETTINGS for part in ("--set", text)]
    return ["train", "--cases", str(cases), *settings, "--name", name]


def train_together(cases: Path, name: str) -> dict:
    """The command in two processes that torchrun starts; returns its last event."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    command = [sys.executable, *launcher, "MSLesionSegLib", *arguments(cases, name), "--events"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines].count("started") == 1
    return lines[-1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo is not used on Windows")
def test_two_processes_reach_the_validation_result_of_one(tmp_path, monkeypatch):
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path / "models"))
    for seed, split in ((1, "training"), (2, "training"), (3, "validation")):
        add_flair(tmp_path / "set", tmp_path / f"in{seed}", seed, split=split)
    torch.manual_seed(0)
    save_model(tmp_path / "models", build(TINY), ModelCard("start", "flair", TINY, ("FLAIR",)))
    (tmp_path / "models" / "active.json").write_text('{"flair": ["start"]}')
    *_, alone = events(*arguments(tmp_path / "set", "alone"))
    shared = train_together(tmp_path / "set", "shared")
    assert shared["model"] == "shared" and (tmp_path / "models" / "shared" / "card.json").exists()
    assert read_card(tmp_path / "models" / "shared").recipe == read_card(tmp_path / "models" / "alone").recipe
    for before, one, two in zip(
        *(load_model(name).network.parameters() for name in ("start", "alone", "shared")), strict=True
    ):
        assert not torch.equal(before, two)
        # Dice is taken over each process's part of the batch, so the two go nearly, not exactly, the same way
        torch.testing.assert_close(one, two, atol=2e-2, rtol=0)
    assert shared["history"][-1]["dice"] == pytest.approx(alone["history"][-1]["dice"], abs=0.05)
