"""Small pieces of work for the tests of cells; worker processes import them by name."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import torch

from MSLesionSegLib.studies.engine.cells import known_as


@known_as("tests.trained_sum")
def trained_sum(settings, files, context):
    """Train a linear layer and leave its weights; goes on from the weights of a needed cell."""
    torch.manual_seed(settings["seed"])
    layer = torch.nn.Linear(8, 1)
    for folder in context.needs.values():
        layer.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
    for k in range(20):
        context.progress.stage("training", k / 20)
        loss = layer(torch.randn(32, 8)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.save(layer.state_dict(), context.out / "weights.pt")
    with Path(files["log"]).open("a") as stream:
        stream.write(settings["name"] + "\n")
    return {"sum": float(layer.weight.detach().sum())}


@known_as("tests.die_once")
def die_once(settings, files, context):
    """The first process that tries this is killed, as by a power cut."""
    mark = Path(files["mark"])
    if not mark.exists():
        mark.touch()
        (context.out / "half.txt").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    return {"survived": True, "left": sorted(p.name for p in context.out.iterdir())}


@known_as("tests.interrupted")
def interrupted(settings, files, context):
    """Needs three attempts; keeps its state in the scratch folder, like a training its checkpoint."""
    state = context.scratch / "state.json"
    tries = json.loads(state.read_text()) + 1 if state.exists() else 1
    state.write_text(json.dumps(tries))
    if tries < 3:
        raise RuntimeError("interrupted")
    return {"tries": tries}
