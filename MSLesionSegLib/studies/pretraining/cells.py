"""The cells of ``study pretraining``: an encoder per network, and trainings with masks from it and de novo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.studies.engine.cells import Cell, CellContext, known_as
from MSLesionSegLib.studies.engine.protocols import PRE_TRAINED, TRANSFER
from MSLesionSegLib.studies.engine.study_cases import NativeCase, StudyCase
from MSLesionSegLib.studies.pretraining.settings import PretrainingSettings
from MSLesionSegLib.studies.transfer.cells import Network, given_network, network_cells

PRETRAINING = "pre-training"
CURVE_POINTS = 200


def pretraining_cells(
    settings: PretrainingSettings,
    scans: Sequence[StudyCase],
    subsets: Sequence[Sequence[NativeCase]],
) -> list[Cell]:
    """All cells of the study, each after those that it needs; without subsets only the encoders."""
    cells = []
    for name, network in settings.networks.items():
        encoder = _encoder_cell(settings, name, network, scans)
        cells.append(encoder)
        if subsets:
            start = {"cell": encoder.name}
            architecture = Architecture.from_dict(network["architecture"])
            trained = Network(
                name, architecture, start, {}, (encoder.name,), segments=False, tuned=PRE_TRAINED
            )
            cells += network_cells(settings, trained, subsets, [])
    if subsets and settings.base is not None:
        base = replace(given_network(settings.base), segments=False, tuned=TRANSFER, de_novo=False)
        cells += network_cells(settings, base, subsets, [])
    return cells


def encoder_cell_name(network: str) -> str:
    """Name of the cell that pre-trains a network."""
    return f"{network}.encoder"


def store_encoder(folder: Path, network: str, name: str, models: Path) -> Path:
    """Put the encoder that a study's folder holds into the model store; returns the model's folder.

    Raises:
        OutputError: a model of that name exists.
    """
    from MSLesionSegLib.network.models.store import load_model, save_model
    from MSLesionSegLib.studies.engine.networks import NETWORK

    model = load_model(folder / "cells" / encoder_cell_name(network) / NETWORK)
    return save_model(models, model.network, replace(model.card, name=name, weights_sha256=""))


def _encoder_cell(
    settings: PretrainingSettings, name: str, network: dict[str, Any], scans: Sequence[StudyCase]
) -> Cell:
    content = {
        "what": {"network": name, "method": PRETRAINING, "n": 0, "protocol": PRETRAINING},
        "architecture": network["architecture"],
        "recipe": network["recipe"],
        "train": [scan.described() for scan in scans],
        "device": settings.device,
    }
    files = {f"{scan.site}/{scan.name}": str(scan.example.folder.absolute()) for scan in scans}
    return Cell(encoder_cell_name(name), pretrain_encoder, content, files)


@known_as("MSLesionSegLib.studies.pretraining_cells.pretrain_encoder")
def pretrain_encoder(settings: dict[str, Any], files: dict[str, str], context: CellContext) -> dict[str, Any]:
    """Pre-train an encoder and leave the network for other cells; the curve has at most 200 points."""
    from MSLesionSegLib.studies.engine.networks import NETWORK
    from MSLesionSegLib.training.examples.example import read_examples
    from MSLesionSegLib.training.pretraining.run import PretrainingRecipe, pretrain

    examples = [read_examples(Path(files[f"{scan['site']}/{scan['name']}"]))[0] for scan in settings["train"]]
    done = pretrain(
        NETWORK,
        Architecture.from_dict(settings["architecture"]),
        PretrainingRecipe(**settings["recipe"]),
        examples,
        context.out,
        checkpoint=context.scratch / "checkpoint.pt",
        device=settings["device"],
        progress=context.progress,
    )
    width = -(-len(done.losses) // CURVE_POINTS)
    ends = range(0, len(done.losses), width)
    curve = [
        {"step": min(k + width, len(done.losses)), "loss": float(np.mean(done.losses[k : k + width]))}
        for k in ends
    ]
    return {"curve": curve}
