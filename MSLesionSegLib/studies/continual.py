"""``study continual``: centres one after the other, with and without experience replay.

After Karthik et al. 2022, "Segmentation of multiple sclerosis lesions across hospitals: learn continually or train
from scratch?": a network for each centre, sequential fine-tuning, experience replay with up to 20 cases of each
earlier centre, and one network for all centres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from MSLesionSegLib.cluster import check_executor
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.store import find_model, read_card
from MSLesionSegLib.progress import Progress
from MSLesionSegLib.studies.base_models import look_at_bases
from MSLesionSegLib.studies.cells import Cell, Workplace, known_as
from MSLesionSegLib.studies.continual_report import (
    MULTI,
    REPLAY,
    SEQUENTIAL,
    SINGLE,
    write_continual_report,
)
from MSLesionSegLib.studies.executor import run_cells
from MSLesionSegLib.studies.material import PREPARE, StudyCase, by_patient, check_names, prepared_centre
from MSLesionSegLib.studies.recipes import with_length
from MSLesionSegLib.studies.record import check_study_folder, open_study

BUFFER = 20


@dataclass(frozen=True)
class ContinualSettings:
    """All that decides the study, besides the cases.

    Attributes:
        start: base model (name or folder) that the first centre's training starts from, in its own architecture; None
            for random weights, as in the paper.
        levels, base: of the U-Net from random weights; the paper's has 3 and 32.
        recipe: of every training. Labels stay soft. A training with replay draws twice the patches, half of them
            from the buffer, so that its loss is that of the current centre plus that of the buffer.
        buffer: cases of each earlier centre that replay keeps, at most 20.
        orders: sequences of the centres; the first is the given one, the others are random.
        seeds: of random weights and of the drawing of patches; all four experiments are repeated for each.
        test_share: part of each centre's patients that tests, at least one.
        threads: of each cell.
    """

    start: str | None = None
    levels: int = 3
    base: int = 32
    recipe: dict[str, Any] = field(default_factory=dict)
    buffer: int = BUFFER
    orders: int = 1
    seeds: tuple[int, ...] = (0,)
    test_share: float = 0.2
    threads: int = 1


@dataclass(frozen=True)
class ContinualData:
    """Where the centres are: BIDS datasets or folders of prepared examples, in the order of the first sequence."""

    centres: tuple[str, ...]


@dataclass(frozen=True)
class Centre:
    """A centre with its patients split into training and testing."""

    name: str
    train: tuple[StudyCase, ...]
    test: tuple[StudyCase, ...]


def split_centre(name: str, cases: Sequence[StudyCase], test_share: float) -> Centre:
    """Whole patients for testing, ``test_share`` of them but at least one; the rest trains.

    Raises:
        SettingsError: fewer than two patients.
    """
    groups = by_patient(cases, seed=0)
    if len(groups) < 2:
        raise SettingsError(f"The centre {name} has one patient only: one must train and another one test.")
    testing = min(max(1, round(test_share * len(groups))), len(groups) - 1)
    train, test = groups[testing:], groups[:testing]
    return Centre(name, tuple(c for g in train for c in g), tuple(c for g in test for c in g))


def sequences(centres: int, orders: int) -> list[tuple[int, ...]]:
    """Orders of the centres, all different: the given one, then random ones; at most as many as there are."""
    found, seed = [tuple(range(centres))], 0
    while len(found) < min(orders, math.factorial(centres)):
        seed += 1
        order = tuple(map(int, np.random.default_rng(seed).permutation(centres)))
        if order not in found:
            found.append(order)
    return found


def run_continual(
    settings: ContinualSettings, data: ContinualData, folder: Path, executor: str, progress: Progress
) -> Path:
    """Run the study in ``folder``, or go on with it; returns its page.

    Raises:
        SettingsError: impossible settings; OutputError: the folder holds something else.
    """
    _check(settings, data)
    check_executor(executor)
    check_study_folder(folder)
    progress.stage(PREPARE)
    centres = []
    for source in map(Path, data.centres):
        cases = prepared_centre(source, folder / "material", progress)
        centres.append(split_centre(source.name, cases, settings.test_share))
    cells = plan(settings, centres)
    described = [case.described() for centre in centres for case in (*centre.train, *centre.test)]
    tested = [case for centre in centres for case in centre.test]
    bases = look_at_bases([settings.start] if settings.start else [], tested, progress)
    record = open_study(folder, "continual", asdict(settings), asdict(data), described, bases)
    done = run_cells(cells, folder, executor=executor, threads=settings.threads, progress=progress)
    progress.stage("write report")
    orders = sequences(len(centres), settings.orders)
    return write_continual_report(folder, cells, done, centres, orders, settings.seeds, record)


def _check(settings: ContinualSettings, data: ContinualData) -> None:
    check_names([Path(source) for source in data.centres])
    if len(data.centres) < 2:
        raise SettingsError("Continual learning needs at least two centres.")
    if not 1 <= settings.buffer <= BUFFER:
        raise SettingsError(f"The buffer keeps 1 to {BUFFER} cases of each centre, not {settings.buffer}.")
    most = math.factorial(len(data.centres))
    if settings.orders > most:
        raise SettingsError(f"{len(data.centres)} centres have {most} orders, not {settings.orders}.")
    if settings.orders < 1 or not settings.seeds or not 0 < settings.test_share < 1:
        raise SettingsError("Give at least one order and one seed, and a test share between 0 and 1.")


def plan(settings: ContinualSettings, centres: Sequence[Centre]) -> list[Cell]:
    """All cells of the study, each after those that it needs."""
    cells = []
    test = [case for centre in centres for case in centre.test]
    architecture, start, base = _beginning(settings)

    def add(name: str, what: dict[str, Any], train, buffer=(), parent: str | None = None) -> None:
        recipe = {**with_length(settings.recipe, len(train)), "seed": what["seed"]}
        if buffer:
            recipe["batch"] *= 2
        content = {
            "what": what,
            "architecture": asdict(architecture),
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
        return Architecture(levels=settings.levels, base=settings.base), None, {}
    folder = find_model(settings.start)
    card = read_card(folder)
    start = {"model": card.name, "sha256": card.weights_sha256}
    return card.architecture, start, {"base": str(folder.absolute())}


def kept(train: Sequence[StudyCase], most: int) -> list[StudyCase]:
    """The training cases of a centre that its replay buffer keeps; never a test case."""
    order = np.random.default_rng(0).permutation(len(train))[:most]
    return [train[k] for k in sorted(order)]


@known_as("MSLesionSegLib.studies.continual.train_and_test")
def train_and_test(settings: dict[str, Any], files: dict[str, str], place: Workplace) -> dict[str, Any]:
    """Train on one centre, and the buffer, and test on all centres at 1 mm, binarised at one half."""
    from MSLesionSegLib.studies.networks import keep_network, scored_dice, started_network, train
    from MSLesionSegLib.studies.recipes import stored_recipe

    architecture = Architecture(**settings["architecture"])
    model = started_network(architecture, settings["start"], files, place, settings["seed"])
    groups = [[files[f"{c['site']}/{c['name']}"] for c in settings[group]] for group in ("train", "buffer")]
    model = train(model, groups[0], stored_recipe(settings["recipe"]), place, groups[1])
    keep_network(model, place)
    scans = []
    for case in settings["test"]:
        dice = scored_dice(model, Path(files[f"{case['site']}/{case['name']}"]), place)
        scans.append({"site": case["site"], "name": case["name"], "dice": dice})
    return {"scans": scans}
