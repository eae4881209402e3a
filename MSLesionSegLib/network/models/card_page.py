"""A model card as a page that a person can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.files.file_names import check_new
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.page_template import fill_page

_TEMPLATE = Path(__file__).with_name("card.html")
_METRICS = {
    "dice": "Dice",
    "f1": "Lesion F1",
    "sensitivity": "Lesion sensitivity",
    "ppv": "Lesion PPV",
    "false_positives": "False positives per scan",
}


def card_html(card: ModelCard) -> str:
    """One self-contained page: what it is, the gate's verdict, training set, recipe, results, limits, licence."""
    facts = {
        "task": card.task,
        "trained from": card.parent or "random weights",
        "input": ", ".join(card.channels),
        "network": ", ".join(f"{name} {value}" for name, value in card.architecture.as_dict().items()),
        "lesions": f"probability from {card.threshold:g}, peak from {card.minimum_peak:g}, at least "
        f"{card.minimum_mm3:g} mm3",
        "output": card.activation,
        "date": card.created,
        "program": f"MSLesionSeg {card.code_version}",
        "hardware": card.hardware or "not stated",
        "weights SHA-256": card.weights_sha256,
    }
    results = {name: value for name, value in card.results.items() if name != "gate"}
    tables = {name: value for name, value in results.items() if _is_table(value)}
    sections = {
        "What it is": _rows(facts),
        "Results": _rows({name: value for name, value in results.items() if name not in tables}),
        "Training set": _rows(card.training),
        "Recipe": _rows(card.recipe),
    }
    gate = card.results.get("gate")
    return fill_page(_TEMPLATE, card=card, gate=gate, metrics=_METRICS, sections=sections, tables=tables)


def write_card_page(card: ModelCard, file: Path) -> Path:
    """Write the page of :func:`card_html`.

    Raises:
        OutputError: the file exists already or cannot be written.
    """
    check_new(file)
    write_text(file, card_html(card))
    return file


def _is_table(value: Any) -> bool:
    """Whether a result is a table: named rows of the same named cells."""
    rows = list(value.values()) if isinstance(value, dict) else []
    return bool(rows) and all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows)


def _rows(content: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, _text(value)) for name, value in content.items()]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(inner)}" for name, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_text(inner) for inner in value) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
