"""Which recipe a study trains by."""

from __future__ import annotations

import pytest

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.studies.engine.recipes import stored_recipe, study_recipe, with_length
from MSLesionSegLib.training.fine_tuning.recipes import FINE_TUNING
from MSLesionSegLib.training.loop.recipe import RECIPES


@pytest.mark.parametrize("name", ["default", *FINE_TUNING])
def test_every_recipe_comes_back_from_a_record_as_it_was(name):
    recipe = study_recipe(name, ["batch=3", "learning_rate=2e-4"])
    assert (recipe.batch, recipe.learning_rate) == (3, 2e-4)
    assert stored_recipe(recipe.as_dict()) == recipe


def test_default_is_the_recipe_of_the_shipped_models():
    assert study_recipe("default", None) == RECIPES["default"]


def test_epochs_become_steps_so_that_the_length_of_a_study_is_fixed():
    recipe = study_recipe("ms-transfer", None)
    assert with_length(recipe.as_dict(), 10)["steps"] == 30 * 180 * 10 // 2
    assert with_length(study_recipe("ms-transfer", ["steps=7"]).as_dict(), 10)["steps"] == 7
    assert with_length(RECIPES["default"].as_dict(), 10) == RECIPES["default"].as_dict()
    with pytest.raises(SettingsError, match="fixed length"):
        with_length(study_recipe("quick", None).as_dict(), 10)


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("nobody", [], "Recipes: default"),
        ("default", ["steps"], "field=value"),
        ("default", ["steps=many"], "must be a whole number, not 'many'"),
        ("default", ["colour=red"], "no colour"),
        ("fcn", ["soft_labels=perhaps"], "must be true or false, not 'perhaps'"),
    ],
)
def test_what_is_no_recipe_is_told(name, settings, sentence):
    with pytest.raises(SettingsError, match=sentence):
        study_recipe(name, settings)
