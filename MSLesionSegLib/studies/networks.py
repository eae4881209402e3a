"""Networks inside a cell: where they start from, how they are trained, and how they are left for other cells."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.inference import predict
from MSLesionSegLib.network.store import Model, ModelCard, load_model, save_model
from MSLesionSegLib.studies.cells import Workplace
from MSLesionSegLib.training.examples import Example, read_examples
from MSLesionSegLib.training.loop import train_network
from MSLesionSegLib.training.patches import PatchSource
from MSLesionSegLib.training.recipe import TrainingRecipe

NETWORK = "network"


def started_network(
    architecture: Architecture,
    start: Mapping[str, str] | None,
    files: Mapping[str, str],
    place: Workplace,
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
        return Model(card, build(architecture).eval(), place.out)
    if "cell" in start:
        return load_model(place.needs[start["cell"]] / NETWORK)
    model = load_model(Path(files["base"]))
    if model.card.weights_sha256 != start["sha256"]:
        raise SettingsError(f"The model {start['model']} is not the one that the study began with.")
    return model


def train(
    model: Model,
    folders: Sequence[tuple[str, float]],
    recipe: TrainingRecipe,
    place: Workplace,
    look: Callable[[int], None] = lambda step: None,
) -> None:
    """Train the weights that are not frozen, in place; an interrupted cell goes on from its last checkpoint.

    Args:
        folders: prepared examples and how often each is drawn.
        look: called before each step with its number.
    """
    examples = [_example(Path(folder), weight) for folder, weight in folders]
    source = WatchedSource(examples, recipe, look)
    checkpoint = place.scratch / "checkpoint.pt"
    train_network(model.network, source, recipe, checkpoint=checkpoint, progress=place.progress)


class WatchedSource(PatchSource):
    """Patches, and a look at the network before each step."""

    def __init__(
        self, examples: Sequence[Example], recipe: TrainingRecipe, look: Callable[[int], None]
    ) -> None:
        super().__init__(examples, recipe)
        self._look = look

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """See :meth:`PatchSource.batch`."""
        self._look(step)
        return super().batch(step)


def keep_network(model: Model, place: Workplace, name: str = NETWORK) -> None:
    """Leave the network for other cells."""
    folder = place.out / name
    shutil.rmtree(folder, ignore_errors=True)
    save_model(place.out, model.network, replace(model.card, name=name, weights_sha256=""))


def _example(folder: Path, weight: float) -> Example:
    return replace(read_examples(folder)[0], weight=weight)


def recipe_of(settings: Mapping[str, Any]) -> TrainingRecipe:
    """The recipe that a cell's settings hold."""
    return TrainingRecipe(**settings["recipe"])


def scored_dice(model: Model, folder: Path, place: Workplace) -> float | None:
    """Dice on one prepared example, on the network's grid, both masks cut at one half; None without lesions."""
    example = _example(folder, 1.0)
    image = np.asarray(example.array("image"), dtype=np.float32)
    found = (
        predict(model, image, np.asarray(example.array("brain")), progress=place.progress).probability >= 0.5
    )
    reference = np.asarray(example.array("label")) >= 128
    if not reference.any():
        return None
    return float(2 * (found & reference).sum() / (found.sum() + reference.sum()))
