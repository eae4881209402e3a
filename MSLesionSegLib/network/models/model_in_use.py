"""Which model is in use for each task, and which ones were before it."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from MSLesionSegLib.errors import ModelError
from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.models.store import find_model, read_card, user_models_folder, weights_file
from MSLesionSegLib.tasks import TASKS, get_task

_LONGEST = 50


def model_in_use(task: str) -> str:
    """Name of the model that a task takes unless another one is named: the person's choice, or the shipped one."""
    return active_model(task) or get_task(task).default_model


def active_model(task: str) -> str | None:
    """Name of the model that the person has put in use for a task; None for the shipped default.

    A model that has gone since is passed over in favour of the one before it.
    """
    there = _still_there(_history().get(task, []))
    return there[-1] if there else None


def use_model(name: str) -> str:
    """Put a stored model in use for its task and return the task.

    Raises:
        ModelError: no such model, a path instead of a name, missing or damaged weights, or a model that is for no
            task of the task table's kind (such as brain extraction).
        OutputError: the choice cannot be written.
    """
    if "/" in name or os.sep in name:
        raise ModelError(
            f"{name} is a path: a model is put in use by its name. Import it first (models import)."
        )
    folder = find_model(name)
    card = read_card(folder)
    weights_file(folder, card)
    if card.task not in TASKS:
        raise ModelError(f"The model '{name}' extracts brains; it is always in use and cannot be chosen.")
    history = _history()
    earlier = history.get(card.task, [])
    if not earlier or earlier[-1] != name:
        history[card.task] = [*earlier, name][-_LONGEST:]
        _write(history)
    return card.task


def roll_back(task: str) -> str | None:
    """Return to the model that was in use before; its name, or None for the shipped default.

    Raises:
        ModelError: nothing was put in use for this task.
        OutputError: the choice cannot be written.
    """
    history = _history()
    there = _still_there(history.get(task, []))
    if not there:
        raise ModelError(
            f"There is nothing to roll back: the task '{task}' uses the shipped default already."
        )
    history[task] = there[:-1]
    _write(history)
    return active_model(task)


def warn_if_damaged(progress: Progress) -> None:
    """Tell the person when the file that holds the choice is damaged, because shipped models are in use then."""
    if _read() is None:
        progress.warning(
            "choice-of-model",
            f"{_file()} is damaged: the shipped models are in use. Choose the model to use again.",
        )


def _still_there(names: list[str]) -> list[str]:
    """The names whose models have not been removed meanwhile."""
    there = []
    for name in names:
        with contextlib.suppress(ModelError):
            find_model(name)
            there.append(name)
    return there


def _file() -> Path:
    return user_models_folder() / "active.json"


def _history() -> dict[str, list[str]]:
    """Names by task, the one in use last; nothing where the file is missing or damaged."""
    return _read() or {}


def _read() -> dict[str, list[str]] | None:
    """What the file holds, nothing where there is none, None where it is damaged."""
    try:
        content = json.loads(_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or not all(isinstance(names, list) for names in content.values()):
        return None
    if not all(isinstance(name, str) for names in content.values() for name in names):
        return None
    return content


def _write(history: dict[str, list[str]]) -> None:
    write_text(_file(), json.dumps(history, indent=1) + "\n")
