"""How a network is trained: one frozen dataclass, stored whole in the model card."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, TypeVar, get_type_hints

from MSLesionSegLib.errors import SettingsError

R = TypeVar("R", bound="Recipe")


@dataclass(frozen=True)
class Recipe:
    """What decides the pace of any training.

    Attributes:
        steps: optimiser steps.
        batch: patches per step.
        patch: edge of the cubic patch in voxels.
        learning_rate: the optimiser's rate after the warm-up.
        weight_decay: the optimiser's weight decay.
        seed: source of chance; step k draws from (seed, k) alone, so a resumed run equals an unbroken one.
    """

    steps: int = 1000
    batch: int = 2
    patch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    seed: int = 0

    warm_up: ClassVar[int] = 0
    optimiser: ClassVar[str] = "adamw"
    schedule: ClassVar[str] = "constant"
    halvings: ClassVar[int] = 3
    plateau: ClassVar[int] = 2000

    def but(self: R, **changes: Any) -> R:
        """A copy with other values; unknown names are refused with the list of known ones."""
        known = {field.name for field in fields(self)}
        unknown = set(changes) - known
        if unknown:
            raise SettingsError(
                f"A recipe has no {', '.join(sorted(unknown))}. It has: {', '.join(sorted(known))}."
            )
        return replace(self, **changes)

    def with_texts(self: R, settings: Iterable[str]) -> R:
        """A copy with values from texts such as ``learning_rate=1e-4``.

        Raises:
            SettingsError: a text without ``=``, an unknown name, or a value of the wrong kind.
        """
        hints = get_type_hints(type(self))
        kinds = {field.name: hints[field.name] for field in fields(self)}
        changes: dict[str, Any] = {}
        for text in settings:
            name, equals, value = (part.strip() for part in text.partition("="))
            if not equals:
                raise SettingsError(
                    f"'{text}' is not a setting: write field=value, such as learning_rate=1e-4."
                )
            changes[name] = _converted(name, value, kinds.get(name, str))
        return self.but(**changes)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}
_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _converted(name: str, value: str, kind: type) -> Any:
    try:
        return _BOOLS[value.lower()] if kind is bool else kind(value)
    except (KeyError, ValueError):
        raise SettingsError(f"The recipe's {name} must be {_KINDS[kind]}, not '{value}'.") from None


@dataclass(frozen=True)
class TrainingRecipe(Recipe):
    """All that decides a training run, besides the cases and the network.

    Attributes:
        lesion_share: part of the patches that is centred on a lesion; the rest on any brain voxel.
        focus_share: part of those others that is centred on a place that deserves attention, where there is one.
        warm_up: steps until the full rate is reached; afterwards it falls to 0 along a half cosine.
        insertion: chance that synthetic lesions are put into a patch.
        other_pathology: part of the insertions that is tumour-, stroke- or small-vessel-like; the rest is MS-like.
        thick_slices: chance that a patch is averaged to thick slices and interpolated back.
        intensity: strength of the contrast, bias field, noise and blur augmentation, 0 = none.
        geometry: strength of rotation, scaling and elastic deformation, 0 = mirroring only.
    """

    lesion_share: float = 0.5
    focus_share: float = 0.25
    warm_up: int = 50
    insertion: float = 0.3
    other_pathology: float = 0.3
    thick_slices: float = 0.3
    intensity: float = 1.0
    geometry: float = 1.0

    # a fine-tuning recipe can choose, see fine_tuning/recipes.py, and so can one for a shipped model
    loss: ClassVar[str] = "dice-ce"
    lesion_by_lesion: ClassVar[float] = (
        0.0  # part of the lesion-centred patches that draws a lesion, not a voxel
    )
    widest_blur: ClassVar[float] = 1.2  # standard deviation in voxels, at most
    schedule: ClassVar[str] = "cosine"
    activation: ClassVar[str] = "sigmoid"

    fewest_steps: ClassVar[int] = 1
    shares: ClassVar[tuple[str, ...]] = (
        "lesion_share",
        "focus_share",
        "insertion",
        "other_pathology",
        "thick_slices",
    )

    def __post_init__(self) -> None:
        if self.steps < self.fewest_steps or self.batch < 1 or self.patch < 16:
            raise SettingsError("A recipe needs at least 1 step, 1 patch per step and a patch of 16 voxels.")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise SettingsError(f"The recipe's {field.name} must be a number, not {value}.")
        if not 0 < self.learning_rate <= 1:
            raise SettingsError(
                f"The recipe's learning_rate must be above 0 and at most 1, not {self.learning_rate:g}."
            )
        if min(self.warm_up, self.weight_decay, self.intensity, self.geometry, self.seed) < 0:
            raise SettingsError(
                "A recipe's warm_up, weight_decay, intensity, geometry and seed cannot be negative."
            )
        for name in self.shares:
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"The recipe's {name} must lie between 0 and 1.")


RECIPES = {
    "base": TrainingRecipe(steps=1200),
    # milder than the base: a few real scans must be learnt well within an hour
    "default": TrainingRecipe(
        steps=3600,
        lesion_share=0.4,
        focus_share=0.3,
        insertion=0.15,
        other_pathology=0.0,
        thick_slices=0.15,
        intensity=0.6,
        geometry=0.7,
    ),
    "brain": TrainingRecipe(
        steps=1600, batch=1, patch=80, lesion_share=0.3, insertion=0, thick_slices=0.3, learning_rate=2e-3
    ),
}
