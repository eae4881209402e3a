"""Which recipe a study trains by: that of the shipped models, or a fine-tuning recipe named after its paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.training.fine_tuning.recipes import (
    FINE_TUNING,
    FineTuningRecipe,
    length,
    recipe_from_card,
)
from MSLesionSegLib.training.loop.recipe import RECIPES, TrainingRecipe

SHIPPED = "default"


def study_recipe(name: str, settings: Sequence[str] | None) -> TrainingRecipe:
    """A recipe by its name with some of its fields changed.

    Args:
        name: ``default`` for that of the shipped models, or a fine-tuning recipe.
        settings: texts such as ``steps=400``.

    Raises:
        SettingsError: no such recipe or field, or a value of the wrong kind.
    """
    if name == SHIPPED:
        return RECIPES[SHIPPED].with_texts(settings or ())
    if name not in FINE_TUNING:
        raise SettingsError(f"There is no recipe '{name}'. Recipes: {', '.join((SHIPPED, *FINE_TUNING))}.")
    return FINE_TUNING[name].with_texts(settings or ())


def stored_recipe(content: Mapping[str, Any]) -> TrainingRecipe:
    """The recipe that ``study.json`` or a cell's settings hold."""
    return recipe_from_card(dict(content)) if "source" in content else TrainingRecipe(**content)


def with_length(content: Mapping[str, Any], cases: int) -> dict[str, Any]:
    """A stored recipe whose number of steps is known: that of its epochs over so many cases where none is given.

    Raises:
        SettingsError: only a time budget is given, which would make every rerun another study.
    """
    recipe = stored_recipe(content)
    if not isinstance(recipe, FineTuningRecipe):
        return dict(content)
    steps = length(recipe, cases, replayed=False)
    if not steps:
        raise SettingsError(
            "A study needs a fixed length, not a time budget: give --set steps=... for this recipe."
        )
    return recipe.but(steps=steps, minutes=0.0).as_dict()
