"""The cells of ``study dynamics``: a training that is followed, and the comparison of all networks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.freezing import freeze
from MSLesionSegLib.network.models.store import find_model, read_card
from MSLesionSegLib.studies.dynamics.settings import DynamicsSettings
from MSLesionSegLib.studies.engine.cells import Cell, CellContext, known_as
from MSLesionSegLib.studies.engine.centres import Centre
from MSLesionSegLib.studies.engine.recipes import with_length

if TYPE_CHECKING:
    import torch

RANDOM, TRANSFER, FROZEN = "random", "transfer", "frozen-encoder"
TOLERANCE = 0.005  # "within 0.5 % of the best"


def dynamics_cells(settings: DynamicsSettings, centre: Centre) -> list[Cell]:
    """All cells of the study: the trainings, then the comparison of all."""
    cells = []
    files = {f"{c.site}/{c.name}": str(c.example.folder.absolute()) for c in (*centre.train, *centre.test)}
    recipe = with_length(settings.recipe, len(centre.train))
    common = {
        "train": [case.described() for case in centre.train],
        "test": [case.described() for case in centre.test],
        "points": _points(recipe["steps"], settings.points),
    }
    for k, seed in enumerate(settings.seeds):
        folder = find_model(settings.bases[k % len(settings.bases)])
        card = read_card(folder)
        slow = {**recipe, "seed": seed}
        fast = {**slow, "learning_rate": 2 * slow["learning_rate"]}
        base = {"model": card.name, "sha256": card.weights_sha256}
        for kind, start, own in ((RANDOM, None, fast), (TRANSFER, base, slow), (FROZEN, None, fast)):
            content = {
                **common,
                "architecture": card.architecture.as_dict(),
                "start": start,
                "frozen": kind == FROZEN,
                "seed": seed,
                "recipe": own,
            }
            where = {**files, "base": str(folder.absolute())} if start else files
            cells.append(Cell(f"{kind}.seed{seed}", follow, content, where))
    needs = tuple(cell.name for cell in cells if not cell.name.startswith(FROZEN))
    content = {
        **common,
        "architecture": cells[0].settings["architecture"],
        "patch": recipe["patch"],
        "patches": settings.patches,
        "samples": settings.samples,
    }
    return [*cells, Cell("comparison", compare, content, files, needs)]


def _points(steps: int, count: int) -> list[int]:
    if not 2 <= count <= steps:
        raise SettingsError(
            f"A training of {steps} steps can be scored 2 to {steps} times, not {count} times."
        )
    return [round(k * steps / count) for k in range(count + 1)]


@known_as("MSLesionSegLib.studies.dynamics_cells.follow")
def follow(settings: dict[str, Any], files: dict[str, str], context: CellContext) -> dict[str, Any]:
    """Train a network; keep it and score it at every point of time."""
    from safetensors.torch import save_file

    from MSLesionSegLib.studies.engine.networks import scored_dice, started_network, train
    from MSLesionSegLib.studies.engine.recipes import stored_recipe
    from MSLesionSegLib.training.loop.stopwatch import Stopwatch

    architecture = Architecture.from_dict(settings["architecture"])
    model = started_network(architecture, settings["start"], files, context, settings["seed"])
    if settings["frozen"]:
        freeze(model.network, architecture, "decoder")
    recipe = stored_recipe(settings["recipe"])
    judged = replace(model, card=replace(model.card, activation=recipe.activation))
    kept = context.scratch / "kept"
    kept.mkdir(exist_ok=True)
    times = kept / "seconds.json"
    seconds: dict[str, float] = json.loads(times.read_text()) if times.exists() else {}
    clock = Stopwatch(max(seconds.values(), default=0.0))

    def look(step: int) -> None:
        if step not in settings["points"] or (kept / f"{step}.json").exists():
            return
        with clock.paused():  # scoring is no training
            seconds[str(step)] = round(clock.seconds, 3)
            times.write_text(json.dumps(seconds))
            model.network.eval()
            weights = {name: value.detach().contiguous() for name, value in model.network.named_parameters()}
            save_file(weights, kept / f"{step}.safetensors")
            dices = [scored_dice(judged, Path(files[_key(case)]), context) for case in settings["test"]]
            defined = [dice for dice in dices if dice is not None]
            score = {"step": step, "dice": float(np.mean(defined)) if defined else None}
            (kept / f"{step}.json").write_text(json.dumps(score))
            model.network.train()

    train(model, [files[_key(case)] for case in settings["train"]], recipe, context, look=look)
    look(settings["points"][-1])
    points = [json.loads((kept / f"{step}.json").read_text()) for step in settings["points"]]
    for step in settings["points"]:
        shutil.copy(kept / f"{step}.safetensors", context.out)
    dices = [point["dice"] or 0.0 for point in points]
    return {
        "points": points,
        "convergence": points[convergence(dices)]["step"],
        "seconds_at_points": [seconds[str(step)] for step in settings["points"]],
    }


def convergence(dices: Sequence[float]) -> int:
    """Index of the first point whose Dice is within 0.5 % of the best one."""
    best = max(dices)
    return next(k for k, dice in enumerate(dices) if dice >= best * (1 - TOLERANCE))


@known_as("MSLesionSegLib.studies.dynamics_cells.compare")
def compare(settings: dict[str, Any], files: dict[str, str], context: CellContext) -> dict[str, Any]:
    """RSIM along each training and between trainings, feature reuse and filters."""
    from MSLesionSegLib.network.architectures import build
    from MSLesionSegLib.studies.dynamics.layers import LAYERS, activations, filter_change, filters
    from MSLesionSegLib.studies.dynamics.similarity import rsim

    network = build(Architecture.from_dict(settings["architecture"])).eval()
    patches = sampled_patches(settings, files)

    def seen(cell: str, step: int) -> dict[str, np.ndarray]:
        context.progress.stage("comparison")
        _load(network, context.needs[cell] / f"{step}.safetensors")
        return activations(network, patches, settings["samples"])

    points = settings["points"]
    along, ends, reuse, change = {}, {}, {}, {}
    pictures: dict[str, Any] = {}
    for cell, folder in context.needs.items():
        convergence_step = json.loads((folder / "cell.json").read_text())["findings"]["convergence"]
        ends[cell] = seen(cell, convergence_step)
        all_points = [seen(cell, step) for step in points]
        along[cell] = {name: [rsim(now[name], ends[cell][name]) for now in all_points] for name in LAYERS}
        reuse[cell] = {name: along[cell][name][0] for name in LAYERS}
        _load(network, folder / f"{points[0]}.safetensors")
        before = filters(network)
        _load(network, folder / f"{convergence_step}.safetensors")
        after = filters(network)
        change[cell] = {name: filter_change(before[name], after[name]) for name in LAYERS}
        for name in LAYERS:
            pictures[f"{cell}/{name}"] = np.stack([before[name][:3, 0], after[name][:3, 0]])
    np.savez_compressed(context.out / "filters.npz", **pictures)
    return {
        "along": along,
        "start_to_convergence": reuse,
        "filter_change": change,
        "pairs": _pairs(ends, lambda a, b: {name: rsim(a[name], b[name]) for name in LAYERS}),
    }


def _pairs(ends: Mapping[str, Any], similarity: Callable[[Any, Any], dict[str, float]]) -> dict[str, Any]:
    """Similarities of converged networks by kind of pair."""
    kinds = {kind: [cell for cell in ends if cell.startswith(kind)] for kind in (RANDOM, TRANSFER)}
    chosen = {
        f"{RANDOM}, {RANDOM}": combinations(kinds[RANDOM], 2),
        f"{TRANSFER}, {TRANSFER}": combinations(kinds[TRANSFER], 2),
        f"{RANDOM}, {TRANSFER}": product(kinds[RANDOM], kinds[TRANSFER]),
    }
    return {name: [similarity(ends[a], ends[b]) for a, b in pairs] for name, pairs in chosen.items()}


def sampled_patches(settings: Mapping[str, Any], files: Mapping[str, str]) -> list[torch.Tensor]:
    """Patches from random places in the brains of the test cases, the same ones for every network."""
    from MSLesionSegLib.training.examples.example import read_examples
    from MSLesionSegLib.training.loop.recipe import TrainingRecipe
    from MSLesionSegLib.training.patches.patches import PatchSource

    examples = [read_examples(Path(files[_key(case)]))[0] for case in settings["test"]]
    plain = TrainingRecipe(
        batch=1, patch=settings["patch"], insertion=0, thick_slices=0, intensity=0, geometry=0, seed=0
    )
    source = PatchSource(examples, plain)
    return [source.batch(k)[0][0] for k in range(settings["patches"])]


def _load(network: torch.nn.Module, file: Path) -> None:
    import torch
    from safetensors.torch import load_file

    weights = load_file(file)
    with torch.no_grad():
        for name, value in network.named_parameters():
            value.copy_(weights[name])


def _key(case: Mapping[str, str]) -> str:
    return f"{case['site']}/{case['name']}"
