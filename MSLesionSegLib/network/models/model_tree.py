"""The models on this computer as a family tree."""

from __future__ import annotations

from dataclasses import dataclass

from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.model_in_use import model_in_use
from MSLesionSegLib.network.models.store import SHIPPED, list_models
from MSLesionSegLib.tasks import TASKS


@dataclass(frozen=True)
class ModelInTree:
    """A model and its place in the family.

    Attributes:
        card: its card.
        depth: 0 for a model whose parent is not there, 1 for its children and so on.
        shipped: whether it came with the program and is read-only.
        in_use: whether its task takes it.
    """

    card: ModelCard
    depth: int
    shipped: bool
    in_use: bool


def list_family() -> list[ModelInTree]:
    """All models, each followed by those that were trained from it."""
    cards = {card.name: card for card in list_models()}
    shipped = {file.parent.name for file in SHIPPED.glob("*/card.json")}
    in_use = {model_in_use(task) for task in TASKS}
    children: dict[str | None, list[ModelCard]] = {}
    for card in cards.values():
        parent = card.parent if card.parent in cards and card.parent != card.name else None
        children.setdefault(parent, []).append(card)
    found: list[ModelInTree] = []

    def add(parent: str | None, depth: int) -> None:
        for card in children.pop(parent, []):
            found.append(ModelInTree(card, depth, card.name in shipped, card.name in in_use))
            add(card.name, depth + 1)

    add(None, 0)
    for name in list(children):  # cards that name each other as parents belong to no tree
        add(name, 0)
    return found
