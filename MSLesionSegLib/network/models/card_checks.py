"""What a model card may say; one from elsewhere is checked before anything relies on it."""

from __future__ import annotations

import math
import re
from typing import Any

from MSLesionSegLib.errors import ModelError
from MSLesionSegLib.files.file_names import HIDDEN, MOST_BYTES
from MSLesionSegLib.network.activation import ACTIVATIONS
from MSLesionSegLib.network.architectures import ARCHITECTURES, Architecture
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.confidence import Confidence
from MSLesionSegLib.tasks import TASKS

# what the networks of a task take, in order: first by the scans' names, then as other cards call it
_CHANNELS = {task.name: (task.channels, *task.other_channels) for task in TASKS.values()} | {
    "brain": (("head",),)
}

_TEXTS = ("description", "limits", "licence", "hardware", "created", "code_version", "weights_sha256")
_TABLES = ("recipe", "training", "results", "confidence")
# lowest and highest value of a number
_RANGES = {
    "spacing_mm": (0.1, 10.0),
    "threshold": (0.0, 1.0),
    "minimum_mm3": (0.0, 1e6),
    "minimum_peak": (0.0, 1.0),
}
_SIZES = {
    "levels": 5,
    "base": 1024,
    "thin": 64,
    "in_channels": 16,
    "out_channels": 16,
    "patch": 512,
    "hidden": 4096,
    "heads": 64,
}


def check_model_name(name: object) -> None:
    """Refuse a name that no model can have, because it is no name of a folder.

    Raises:
        ModelError: with the characters that are allowed.
    """
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
        raise ModelError(f"'{name}' cannot be a model name: use letters, digits, '.', '-' and '_'.")
    most = MOST_BYTES - HIDDEN
    if len(name.encode()) > most:
        raise ModelError(
            f"{name[:30]}... is too long for a model name: it has {len(name.encode())} bytes, and at most {most} can "
            "be used (a letter beyond a to z has two to four)."
        )


def check_card(card: ModelCard) -> None:
    """Refuse a card with a value of a wrong type, out of its range, or that the program does not know.

    Raises:
        ModelError: with the first thing that is wrong.
    """
    check_model_name(card.name)
    problem = (
        _wrong_type(card)
        or _wrong_number(card)
        or _wrong_architecture(card.architecture)
        or _wrong_input(card)
        or _wrong_confidence(card)
    )
    if problem:
        raise ModelError(f"The card of model {card.name} cannot be used: {problem}.")


def _wrong_type(card: ModelCard) -> str:
    for name in _TEXTS:
        if not isinstance(getattr(card, name), str):
            return f"its {name} is not text"
    for name in _TABLES:
        value = getattr(card, name)
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            return f"its {name} is not a table of names and values"
    if card.parent is not None and not isinstance(card.parent, str):
        return "its parent is not the name of a model"
    if not all(isinstance(text, str) for text in (*card.channels, *card.credits, *card.earlier_sha256)):
        return "its channels, credits or earlier_sha256 are not text"
    if not isinstance(card.mirroring, bool):
        return "its flips is neither true nor false"
    gate = card.results.get("gate")
    if gate is not None and not (isinstance(gate, dict) and isinstance(gate.get("sentence"), str)):
        return "the gate's verdict in its results holds no sentence"
    return ""


def _wrong_number(card: ModelCard) -> str:
    for name, (lowest, highest) in _RANGES.items():
        value = getattr(card, name)
        if not _is_number(value) or not lowest <= value <= highest:
            return f"its {name} must be a number from {lowest:g} to {highest:g}, not {value!r}"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _wrong_architecture(architecture: Architecture) -> str:
    if architecture.kind not in ARCHITECTURES:
        return f"there is no network of the kind '{architecture.kind}', only {', '.join(ARCHITECTURES)}"
    stored = architecture.as_dict()
    for name, largest in _SIZES.items():
        value = stored[name]
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= largest:
            return f"its network's {name} must be a whole number from 1 to {largest}, not {value!r}"
    return ""


def _wrong_input(card: ModelCard) -> str:
    if not isinstance(card.task, str) or card.task not in _CHANNELS:
        return f"there is no task '{card.task}', only {', '.join(_CHANNELS)}"
    if len(card.channels) != card.architecture.in_channels:
        return f"it names {len(card.channels)} input channels but its network has {card.architecture.in_channels}"
    known = _CHANNELS[card.task]
    if tuple(channel.lower() for channel in card.channels) not in known:
        return (
            f"the task '{card.task}' gives its network {' and '.join(known[0])}, but it wants "
            f"{' and '.join(card.channels)}"
        )
    if card.activation not in ACTIVATIONS:
        return f"there is no activation '{card.activation}', only {', '.join(ACTIVATIONS)}"
    return ""


def _wrong_confidence(card: ModelCard) -> str:
    try:
        Confidence.of(card)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return f"its confidence cannot be read ({error})"
    return ""
