"""Which recipe a study trains by: that of the shipped models, or a fine-tuning recipe named after its paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.training.fine_tuning.recipes import (
    FINE_TUNING,
    FineTuningRecipe,
    length,
    recipe_from_card,
)
from MSLesionSegLib.training.loop.recipe import RECIPES, TrainingRecipe

if TYPE_CHECKING:
    from MSLesionSegLib.training.pretraining.run import PretrainingRecipe

Recipe = TypeVar("Recipe", TrainingRecipe, "PretrainingRecipe")
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
        return recipe_with(RECIPES[SHIPPED], settings)
    if name not in FINE_TUNING:
        raise SettingsError(f"There is no recipe '{name}'. Recipes: {', '.join((SHIPPED, *FINE_TUNING))}.")
    return recipe_with(FINE_TUNING[name], settings)


def recipe_with(recipe: Recipe, settings: Sequence[str] | None) -> Recipe:
    """A recipe with values from texts such as ``steps=400``.

    Raises:
        SettingsError: a text without ``=``, an unknown field or a value of the wrong kind.
    """
    values: dict[str, Any] = {}
    for text in settings or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"'{text}' is not a setting: write field=value, such as steps=400.")
        values[name] = _converted(name, value, type(getattr(recipe, name, "")))
    return recipe.but(**values)


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


def _converted(name: str, value: str, kind: type) -> Any:
    if kind is bool and value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        if kind is not bool:
            return kind(value)
    except ValueError:
        pass
    raise SettingsError(f"The recipe's {name} cannot be '{value}'.")
