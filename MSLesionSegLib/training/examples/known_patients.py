"""Which patients a model and its ancestors were trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from MSLesionSegLib.errors import ModelError
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import SHIPPED, find_model, read_card
from MSLesionSegLib.training.examples.example import Example


def patient(example: Example) -> str:
    """The patient's label: what comes before the first underscore of an example's name."""
    return example.name.partition("_")[0]


def patient_codes(examples: Iterable[Example]) -> list[str]:
    """What a model card holds of the patients that it was trained on: hashes of their labels, sorted."""
    labels = {patient(example) for example in examples}
    return sorted(hashlib.sha256(label.encode()).hexdigest()[:16] for label in labels)


def nearest_untouched(model: str | Path, examples: Iterable[Example]) -> Path | None:
    """Folder of a model, or of its nearest ancestor, that was made without any of these patients.

    The whole line counts: what the parent has seen, the child has seen. Shipped models are taken to know no
    hospital's patients.

    Returns:
        None where the cards do not tell: an ancestor is gone, was replaced, or does not list its patients.
    """
    codes = set(patient_codes(examples))
    untouched = None
    for folder, card in reversed(_line(model)):
        if not _is_shipped(folder):
            seen = card.training.get("patients")
            if not isinstance(seen, list) or codes & {str(code) for code in seen}:
                break
        untouched = folder
    return untouched


def known_patients(model: str | Path, examples: Iterable[Example]) -> list[str]:
    """Labels of those patients that the cards of a model and its ancestors name as trained on, sorted."""
    seen = {str(code) for card in _told(model) for code in card.training.get("patients") or ()}
    return sorted({patient(example) for example in examples if set(patient_codes([example])) & seen})


def known_sources(model: str | Path) -> set[str]:
    """Names of the datasets that the cards of a model and its ancestors name as trained on."""
    return {name for card in _told(model) for name in card.training.get("by_source") or ()}


def _told(model: str | Path) -> list[ModelCard]:
    """Cards of a model and of its ancestors as far as they are there."""
    line = [card for _, card in _line(model)]
    return line or [read_card(find_model(model))]


def _line(model: str | Path) -> list[tuple[Path, ModelCard]]:
    """A model and its ancestors up to a shipped one or one from random weights; empty where one of them is gone."""
    line: list[tuple[Path, ModelCard]] = []
    wanted, weights = model, None
    while True:
        try:
            folder = find_model(wanted)
            card = read_card(folder)
        except ModelError:
            return []
        if (weights and weights not in (card.weights_sha256, *card.earlier_sha256)) or folder in [
            known for known, _ in line
        ]:
            return []
        line.append((folder, card))
        if _is_shipped(folder) or card.parent is None:
            return line
        wanted, weights = card.parent, card.training.get("parent_sha256")


def _is_shipped(folder: Path) -> bool:
    return folder.resolve().parent == SHIPPED.resolve()
