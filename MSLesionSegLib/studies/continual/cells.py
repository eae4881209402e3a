"""The cells of ``study continual``: a network per centre, sequences with and without replay, one for all centres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.models.store import find_model, read_card
from MSLesionSegLib.studies.continual.settings import ContinualSettings
from MSLesionSegLib.studies.engine.cells import Cell, CellContext, known_as
from MSLesionSegLib.studies.engine.centres import Centre
from MSLesionSegLib.studies.engine.recipes import with_length
from MSLesionSegLib.studies.engine.study_cases import StudyCase

SINGLE, SEQUENTIAL, REPLAY, MULTI = "single-domain", "fine-tuning", "replay", "multi-domain"


def sequences(centres: int, orders: int) -> list[tuple[int, ...]]:
    """Orders of the centres, all different: the given one, then random ones; at most as many as there are."""
    found, seed = [tuple(range(centres))], 0
    while len(found) < min(orders, math.factorial(centres)):
        seed += 1
        order = tuple(map(int, np.random.default_rng(seed).permutation(centres)))
        if order not in found:
            found.append(order)
    return found


def continual_cells(settings: ContinualSettings, centres: Sequence[Centre]) -> list[Cell]:
    """All cells of the study, each after those that it needs."""
    cells = []
    test = [case for centre in centres for case in centre.test]
    architecture, start, base = _beginning(settings)

    def add(
        name: str,
        what: dict[str, Any],
        train: Sequence[StudyCase],
        buffer: Sequence[StudyCase] = (),
        parent: str | None = None,
    ) -> None:
        recipe = {**with_length(settings.recipe, len(train)), "seed": what["seed"]}
        if buffer:
            recipe["batch"] *= 2
        content = {
            "what": what,
            "architecture": architecture.as_dict(),
            "start": start if parent is None else {"cell": parent},
            "seed": what["seed"],
            "recipe": recipe,
            "train": [case.described() for case in train],
            "buffer": [case.described() for case in buffer],
            "test": [case.described() for case in test],
        }
        scans = {f"{c.site}/{c.name}": str(c.example.folder.absolute()) for c in (*train, *buffer, *test)}
        files = scans if parent else {**scans, **base}
        cells.append(Cell(name, train_and_test, content, files, () if parent is None else (parent,)))

    for seed in settings.seeds:
        for centre in centres:
            what = {"experiment": SINGLE, "seed": seed, "centre": centre.name}
            add(f"{SINGLE}.seed{seed}.{centre.name}", what, centre.train)
        everyone = [case for centre in centres for case in centre.train]
        add(f"{MULTI}.seed{seed}", {"experiment": MULTI, "seed": seed}, everyone)
        for k, order in enumerate(sequences(len(centres), settings.orders)):
            for experiment in (SEQUENTIAL, REPLAY):
                parent = f"{SINGLE}.seed{seed}.{centres[order[0]].name}"
                buffer: list[StudyCase] = []
                for before, now in pairwise(order):
                    if experiment == REPLAY:
                        buffer += kept(centres[before].train, settings.buffer)
                    name = f"{experiment}.order{k}.seed{seed}.{centres[now].name}"
                    what = {"experiment": experiment, "seed": seed, "order": k, "centre": centres[now].name}
                    add(name, what, centres[now].train, tuple(buffer), parent)
                    parent = name
    return cells


def _beginning(
    settings: ContinualSettings,
) -> tuple[Architecture, dict[str, str] | None, dict[str, str]]:
    """Architecture, start and files of trainings that follow no other one."""
    if settings.start is None:
        return Architecture(levels=settings.levels, feature_maps=settings.base), None, {}
    folder = find_model(settings.start)
    card = read_card(folder)
    start = {"model": card.name, "sha256": card.weights_sha256}
    return card.architecture, start, {"base": str(folder.absolute())}


def kept(train: Sequence[StudyCase], most: int) -> list[StudyCase]:
    """The training cases of a centre that its replay buffer keeps; never a test case."""
    order = np.random.default_rng(0).permutation(len(train))[:most]
    return [train[k] for k in sorted(order)]


@known_as("MSLesionSegLib.studies.continual.train_and_test")
def train_and_test(settings: dict[str, Any], files: dict[str, str], context: CellContext) -> dict[str, Any]:
    """Train on one centre, and the buffer, and test on all centres at 1 mm, binarised at one half."""
    from MSLesionSegLib.studies.engine.networks import keep_network, scored_dice, started_network, train
    from MSLesionSegLib.studies.engine.recipes import stored_recipe

    architecture = Architecture.from_dict(settings["architecture"])
    model = started_network(architecture, settings["start"], files, context, settings["seed"])
    groups = [[files[f"{c['site']}/{c['name']}"] for c in settings[group]] for group in ("train", "buffer")]
    model = train(model, groups[0], stored_recipe(settings["recipe"]), context, groups[1])
    keep_network(model, context)
    scans = []
    for case in settings["test"]:
        dice = scored_dice(model, Path(files[f"{case['site']}/{case['name']}"]), context)
        scans.append({"site": case["site"], "name": case["name"], "dice": dice})
    return {"scans": scans}
