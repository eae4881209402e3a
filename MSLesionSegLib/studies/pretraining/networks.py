"""The networks of a pre-training, from presets and texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.training.pretraining.run import PretrainingRecipe, get_pretraining


def chosen_networks(
    presets: Sequence[str], settings: Sequence[str] | None, seed: int
) -> dict[str, dict[str, Any]]:
    """Architecture and recipe of each preset, as :class:`PretrainingSettings` hold them.

    Args:
        presets: names.
        settings: texts such as ``steps=400`` for all of them, or ``unetr:steps=400`` for one.
        seed: of all.

    Raises:
        SettingsError: no such preset or field, a value of the wrong kind, or a preset that is not asked for.
    """
    texts: dict[str, list[str]] = {name: [] for name in presets}
    for text in settings or []:
        name, colon, own = text.partition(":")
        if colon and name not in texts:
            raise SettingsError(f"'{text}' is for a network that is not asked for.")
        for network in [name] if colon else presets:
            texts[network].append(own if colon else text)
    chosen = {}
    for name in presets:
        preset = get_pretraining(name)
        recipe = preset.recipe.but(seed=seed).with_texts(texts[name])
        chosen[name] = network_settings(preset.architecture, recipe)
    return chosen


def network_settings(architecture: Architecture, recipe: PretrainingRecipe) -> dict[str, Any]:
    """What :class:`PretrainingSettings` hold of a network."""
    return {"architecture": architecture.as_dict(), "recipe": asdict(recipe)}
