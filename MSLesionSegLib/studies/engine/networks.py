"""Networks inside a cell: where they start from, how they are trained, and how they are left for other cells."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import Model, load_model, save_model
from MSLesionSegLib.network.sliding_window import predict
from MSLesionSegLib.studies.engine.cells import CellContext
from MSLesionSegLib.training.examples.example import Example, read_examples
from MSLesionSegLib.training.fine_tuning.recipes import FineTuningRecipe
from MSLesionSegLib.training.loop.loop import train_network
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.patches.patches import PatchSource
from MSLesionSegLib.training.patches.replay_interleaving import InterleavedSource

NETWORK = "network"


def started_network(
    architecture: Architecture,
    start: Mapping[str, str] | None,
    files: Mapping[str, str],
    context: CellContext,
    seed: int,
) -> Model:
    """A network to begin with, as a model.

    Args:
        architecture: of the network.
        start: None for random weights of ``seed``; ``{"cell": name}`` for what a needed cell left; ``{"model": name,
            "sha256": hash}`` for a model whose folder is ``files["base"]``.

    Raises:
        SettingsError: the model has changed since the study began.
    """
    if start is None:
        torch.manual_seed(seed)
        card = ModelCard(name="cell", task="flair", architecture=architecture, channels=("FLAIR",))
        return Model(card, build(architecture).eval(), context.out)
    if "cell" in start:
        return load_model(context.needs[start["cell"]] / NETWORK)
    model = load_model(Path(files["base"]))
    if model.card.weights_sha256 != start["sha256"]:
        raise SettingsError(f"The model {start['model']} is not the one that the study began with.")
    return model


def train(
    model: Model,
    folders: Sequence[str],
    recipe: TrainingRecipe,
    context: CellContext,
    buffer: Sequence[str] = (),
    look: Callable[[int], None] = lambda step: None,
) -> Model:
    """Train the weights that are not frozen, in place; an interrupted cell goes on from its last checkpoint.

    Args:
        folders: prepared examples.
        recipe: how; its whole batch counts, half of it comes from the buffer where there is one.
        buffer: prepared examples of earlier centres.
        look: called before each step with its number.

    Returns:
        The model, told the activation that the recipe gives its output.
    """
    cases, replayed = ([_example(Path(folder)) for folder in group] for group in (folders, buffer))
    if isinstance(recipe, FineTuningRecipe):
        recipe = recipe.but(replay_share=0.5)
        source: PatchSource = InterleavedSource(cases, recipe, replayed)
    else:
        weighed = [replace(e, weight=1 / len(group)) for group in (cases, replayed) for e in group]
        source = PatchSource(weighed, recipe)
    checkpoint = context.scratch / "checkpoint.pt"
    watched = WatchedSource(source, look)
    train_network(model.network, watched, recipe, checkpoint=checkpoint, progress=context.progress)
    return replace(model, card=replace(model.card, activation=recipe.activation))


class WatchedSource:
    """Patches, and a look at the network before each step."""

    def __init__(self, source: PatchSource, look: Callable[[int], None]) -> None:
        self.examples = source.examples
        self._source, self._look = source, look

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """See :meth:`PatchSource.batch`."""
        self._look(step)
        return self._source.batch(step)


def keep_network(model: Model, context: CellContext) -> None:
    """Leave the network for other cells."""
    folder = context.out / NETWORK
    shutil.rmtree(folder, ignore_errors=True)
    save_model(context.out, model.network, replace(model.card, name=NETWORK, weights_sha256=""))


def _example(folder: Path) -> Example:
    return read_examples(folder)[0]


def scored_dice(model: Model, folder: Path, context: CellContext) -> float | None:
    """Dice on one prepared example, on the network's grid, both masks cut at one half; None without lesions."""
    example = _example(folder)
    image = np.asarray(example.array("image"), dtype=np.float32)
    found = (
        predict(model, image, np.asarray(example.array("brain")), progress=context.progress).probability
        >= 0.5
    )
    reference = np.asarray(example.array("label")) >= 128
    if not reference.any():
        return None
    return float(2 * (found & reference).sum() / (found.sum() + reference.sum()))
