"""The model that a fine-tuning stores, and what its card says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import Model, save_model
from MSLesionSegLib.training.examples.example import fingerprint
from MSLesionSegLib.training.examples.known_patients import patient_codes
from MSLesionSegLib.training.fine_tuning.recipes import FineTuningRecipe
from MSLesionSegLib.training.fine_tuning.request import FineTuning

LIMITS = (
    "Fine-tuned on the cases of few sites: expect less elsewhere. The best state was chosen on the validation cases, "
    "so their numbers flatter a little. For research use only."
)


def new_card(request: FineTuning, recipe: FineTuningRecipe, start: ModelCard) -> ModelCard:
    """The card of a model that is trained from ``start``, without results and what was measured of its confidence."""
    parent = None if request.start is None else start.name
    sites = Counter(example.site for example in request.training)
    training: dict[str, Any] = {
        "cases": len(request.training),
        "by_site": dict(sites),
        "fingerprint": fingerprint(request.training),
        "patients": patient_codes(request.training),
        "validation_cases": len(request.validation),
        "validation_fingerprint": fingerprint(request.validation),
        "replay_examples": dict(Counter(example.site for example in request.replay)),
    }
    if parent is not None:
        training["parent_sha256"] = start.weights_sha256
    return replace(
        start,
        name=request.name,
        parent=parent,
        activation=recipe.activation,
        recipe={**recipe.as_dict(), "tune": request.tune},
        training=training,
        results={},
        confidence={},
        description=f"Trained from {parent or 'random weights'} on {len(request.training)} own cases.",
        limits=LIMITS,
        licence=start.licence if parent else "",
        hardware=request.device,
        created="",
    )


def store_model(
    request: FineTuning, model: Model, history: Sequence[dict[str, float]], *, stopped: bool
) -> None:
    """Store a trained network with its card and the best of its scorings; ``stopped`` is one that is not finished."""
    results: dict[str, Any] = {}
    if history:
        best = max((n for n in history if n["step"]), key=lambda numbers: numbers["score"])
        results = {"validation at the start": history[0], "validation of the best state": best}
    card = replace(model.card, results=results)
    if request.run and not stopped:
        card = replace(card, training={**card.training, "run": request.run})
    if stopped:
        card = replace(card, description=f"{card.description} Stopped early; the gate has not seen it.")
    save_model(request.models, model.network, card)
