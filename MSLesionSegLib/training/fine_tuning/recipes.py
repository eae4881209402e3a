"""Fine-tuning recipes: how a model learns from a hospital's own cases, each named after where it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.network.activation import ACTIVATIONS
from MSLesionSegLib.training.loop.recipe import TrainingRecipe

LOSSES = ("dice-ce", "ce", "dice")
OPTIMISERS = ("adamw", "adam")
LONGEST_MINUTES = 30 * 24 * 60
SCHEDULES = ("cosine", "constant", "halving", "plateau")


@dataclass(frozen=True)
class FineTuningRecipe(TrainingRecipe):
    """All that decides a fine-tuning, besides the cases, the start and the parts that are tuned.

    Attributes:
        source: where the recipe comes from.
        steps: optimiser steps; 0 means: as many as ``epochs`` or ``minutes`` make, see :func:`length`.
        epochs: passes over the cases; 0 where the time budget decides.
        patches: patches per case and epoch.
        minutes: time budget for the whole run, in minutes; 0 is none. The first steps are measured and the length
            follows from them.
        adapt: batch and patch are chosen for the device and its free memory.
        validations: how often the validation cases are scored, evenly spread; the best of these states is kept.
        patience: validations in a row without a better one after which training ends; 0 is never.
        loss: ``dice-ce`` (soft Dice + cross-entropy), ``ce`` or ``dice``.
        optimiser: ``adamw`` or ``adam``.
        schedule: ``cosine`` (warm-up, then a half cosine to 0), ``constant``, ``halving`` (``halvings`` equal parts,
            each at half the rate of the one before) or ``plateau`` (x 0.9 after ``plateau`` steps without a
            lower loss).
        halvings, plateau: see ``schedule``.
        activation: what makes probabilities of the network's output: ``sigmoid`` or ``normalised-relu`` (ReLU divided
            by its maximum; Gros et al. 2021, SoftSeg).
        soft_labels: labels stay fractions after resampling; otherwise they are cut at one half.
        exclusive: patches that are not centred on a lesion hold none, where the brain has room for such a patch.
        correction_share: part of the patches that is centred on what the reviewer added or rejected.
        quarter_turns: patches are also turned by multiples of 90 degrees.
        replay_share: part of the patches that comes from the replay buffer, where there is one.
        cached_patches: patches per case whose frozen features are kept when only late layers are tuned.
    """

    source: str = ""
    steps: int = 0
    epochs: int = 0
    patches: int = 16
    minutes: float = 0.0
    adapt: bool = False
    validations: int = 6
    patience: int = 0
    loss: str = "dice-ce"
    optimiser: str = "adamw"
    schedule: str = "cosine"
    halvings: int = 3
    plateau: int = 2000
    activation: str = "sigmoid"
    soft_labels: bool = True
    exclusive: bool = True
    correction_share: float = 0.25
    quarter_turns: bool = False
    replay_share: float = 0.25
    cached_patches: int = 24

    fewest_steps: ClassVar[int] = 0
    shares: ClassVar[tuple[str, ...]] = (*TrainingRecipe.shares, "correction_share")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.steps or self.epochs or self.minutes):
            raise SettingsError("A fine-tuning recipe needs steps, epochs or minutes above 0.")
        if min(self.steps, self.epochs, self.patience, self.minutes) < 0:
            raise SettingsError("A recipe's steps, epochs, patience and minutes cannot be negative.")
        if self.minutes > LONGEST_MINUTES:
            raise SettingsError(f"A recipe's minutes can be {LONGEST_MINUTES} at most, which is 30 days.")
        if min(self.patches, self.validations, self.halvings, self.plateau, self.cached_patches) < 1:
            raise SettingsError(
                "A recipe's patches, validations, halvings, plateau and cached_patches must be at least 1."
            )
        if not 0 <= self.replay_share < 1:
            raise SettingsError("The recipe's replay_share must lie between 0 and 1, without 1 itself.")
        for name, known in (
            ("loss", LOSSES),
            ("optimiser", OPTIMISERS),
            ("schedule", SCHEDULES),
            ("activation", ACTIVATIONS),
        ):
            if getattr(self, name) not in known:
                raise SettingsError(
                    f"The recipe's {name} must be one of {', '.join(known)}, not '{getattr(self, name)}'."
                )
        if self.activation == "normalised-relu" and self.loss != "dice":
            raise SettingsError(
                "The normalized ReLU gives no cross-entropy: it goes with the loss 'dice' only."
            )

    @property
    def interval(self) -> int:
        """Steps from one validation to the next."""
        return max(1, -(-self.steps // self.validations))


def length(recipe: FineTuningRecipe, cases: int, replayed: bool) -> int:
    """Optimiser steps that the recipe's epochs make with so many cases; 0 if the time budget alone decides."""
    if recipe.steps:
        return recipe.steps
    own_patches = recipe.epochs * recipe.patches * cases
    return math.ceil(own_patches / (recipe.batch * (1 - recipe.replay_share if replayed else 1)))


def with_settings(recipe: FineTuningRecipe, settings: Sequence[str]) -> FineTuningRecipe:
    """A copy with values from texts such as ``learning_rate=1e-4``; a batch or patch that is set stays as it is.

    Raises:
        SettingsError: as :meth:`~MSLesionSegLib.training.loop.recipe.Recipe.with_texts`.
    """
    changed = recipe.with_texts(settings)
    names = {text.partition("=")[0].strip() for text in settings}
    return changed.but(adapt=False) if names & {"batch", "patch"} and "adapt" not in names else changed


def recipe_from_card(stored: dict[str, Any]) -> FineTuningRecipe:
    """The recipe that a model card holds; fields that this version does not know are passed over."""
    known = {field.name for field in fields(FineTuningRecipe)}
    return FineTuningRecipe(**{name: value for name, value in stored.items() if name in known})


def get_recipe(name: str) -> FineTuningRecipe:
    """A recipe by its name.

    Raises:
        SettingsError: no such recipe.
    """
    if name not in FINE_TUNING:
        raise SettingsError(f"There is no recipe '{name}'. Recipes: {', '.join(FINE_TUNING)}.")
    return FINE_TUNING[name]


_PLAIN: dict[str, Any] = {"focus_share": 0.0, "insertion": 0.0, "other_pathology": 0.0, "thick_slices": 0.0}

FINE_TUNING = {
    "quick": FineTuningRecipe(
        source="MSLesionSeg; length from a time budget",
        minutes=12.0,
        adapt=True,
        learning_rate=5e-4,
        warm_up=20,
        lesion_share=0.5,
        focus_share=0.3,
        insertion=0.1,
        other_pathology=0.0,
        thick_slices=0.15,
        intensity=0.6,
        geometry=0.7,
    ),
    "ms-transfer": FineTuningRecipe(
        **_PLAIN,
        source="Huang et al. 2023, Front Neurosci 17:1188336",
        epochs=30,
        patches=180,  # 60 places times 3 elastic deformations
        batch=2,
        patch=96,
        loss="ce",
        optimiser="adam",
        weight_decay=0.0,
        schedule="constant",
        learning_rate=1e-5,
        soft_labels=False,
        intensity=0.0,
        validations=30,
    ),
    "replay": FineTuningRecipe(
        **_PLAIN,
        source="Karthik et al. 2022, continual learning with experience replay; SoftSeg, Gros et al. 2021",
        epochs=150,
        patches=4,
        batch=4,
        patch=64,
        loss="dice",
        activation="normalised-relu",
        schedule="halving",
        halvings=3,
        learning_rate=1e-4,
        replay_share=0.5,
        intensity=0.5,
        validations=30,
    ),
    "pretrained": FineTuningRecipe(
        **_PLAIN,
        source="Pretrain once, finetune many times; CNN decoder, cross-entropy and Dice, early stopping",
        epochs=100,
        patches=8,
        batch=2,
        patch=96,
        learning_rate=5e-5,
        weight_decay=1e-5,
        schedule="constant",
        validations=50,
        patience=5,
    ),
    "fcn": FineTuningRecipe(
        **_PLAIN,
        source="Karimi et al. 2021, transfer learning in fully convolutional networks",
        epochs=200,
        patches=4,
        batch=2,
        patch=96,
        loss="dice",
        optimiser="adam",
        weight_decay=0.0,
        learning_rate=5e-5,  # half of the rate from random weights
        schedule="plateau",
        plateau=2000,
        geometry=0.0,
        intensity=0.3,
        quarter_turns=True,
        validations=40,
    ),
}
