"""The models on this computer, read from their cards: no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer

from ..setup.packages import coreImportable
from ..widgets.signals import Signal
from .background import Background


@dataclass(frozen=True)
class Models:
    """What was read. ``family``: the core's family tree; ``replaced``: tasks that had another model before."""

    family: tuple[Any, ...] = ()
    replaced: frozenset[str] = frozenset()


class ModelStore:
    """Knows what was read last; ``look`` reads again. ``changed``: signal: it was read again."""

    def __init__(self) -> None:
        self.changed = Signal()
        self._models: Models | None = None
        self._background = Background(self._take)

    @property
    def reading(self) -> bool:
        """Whether nothing is known yet."""
        return self._models is None

    @property
    def family(self) -> tuple[Any, ...]:
        """All models with their place in the family tree; none while they are read."""
        return () if self._models is None else self._models.family

    def look(self) -> None:
        """Read the models; none where the core cannot be imported."""
        if not coreImportable():
            self._background.stop()
            self._take(Models())
            return
        from MSLesionSegLib.network.models import model_in_use, model_tree

        self._background.ask(lambda: _read(model_tree, model_in_use))

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._background.stop()

    def names(self, task: str) -> list[str]:
        """Names of a task's models."""
        return [member.card.name for member in self.family if member.card.task == task]

    def inUse(self, task: str) -> str:
        """Name of the model that a task takes; empty while there is none on this computer."""
        members = (member for member in self.family if member.card.task == task)
        return next((member.card.name for member in members if member.in_use), "")

    def canRollBack(self, task: str) -> bool:
        """Whether another model than the shipped one is in use for a task."""
        return self._models is not None and task in self._models.replaced

    def _take(self, models: Models) -> None:
        self._models = models
        self.changed.emit()


def cardPage(name: str) -> Path:
    """A page to read about a model, in Slicer's temporary folder; an earlier one of that name is written anew."""
    from MSLesionSegLib.network.models.card_page import write_card_page
    from MSLesionSegLib.network.models.store import find_model, read_card

    page = Path(slicer.app.temporaryPath) / f"MSLesionSeg-{name}.html"
    page.unlink(missing_ok=True)
    return write_card_page(read_card(find_model(name)), page)


def _read(model_tree, model_in_use) -> Models:
    family = tuple(model_tree.list_family())
    tasks = {member.card.task for member in family}
    return Models(family, frozenset(task for task in tasks if model_in_use.active_model(task) is not None))
