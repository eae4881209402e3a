"""The models on this computer, read from their cards: no torch."""

from pathlib import Path

import slicer

from ..setup.packages import coreImportable


def modelsFor(task: str):
    """Cards of a task, with their place in the family tree."""
    return [member for member in family() if member.card.task == task]


def family():
    """All models as the core's family tree; none while the core cannot be imported."""
    if not coreImportable():
        return []
    from MSLesionSegLib.network.models.model_tree import list_family

    return list_family()


def inUse(task: str) -> str:
    """Name of the model that a task takes; empty while there is none on this computer."""
    return next((member.card.name for member in modelsFor(task) if member.in_use), "")


def canRollBack(task: str) -> bool:
    """Whether another model than the shipped one is in use for a task."""
    from MSLesionSegLib.network.models.model_in_use import active_model

    return active_model(task) is not None


def cardPage(name: str) -> Path:
    """A page to read about a model, in Slicer's temporary folder; an earlier one of that name is written anew."""
    from MSLesionSegLib.network.models.card_page import write_card_page
    from MSLesionSegLib.network.models.store import find_model, read_card

    page = Path(slicer.app.temporaryPath) / f"MSLesionSeg-{name}.html"
    page.unlink(missing_ok=True)
    return write_card_page(read_card(find_model(name)), page)
