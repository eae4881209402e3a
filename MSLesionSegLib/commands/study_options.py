"""What the commands that repeat the papers share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from MSLesionSegLib.errors import SettingsError

if TYPE_CHECKING:
    from MSLesionSegLib.training.pretraining import PretrainingRecipe
    from MSLesionSegLib.training.recipe import TrainingRecipe

# expected shares of the time
STAGES = {"prepare cases": 10.0, "train and test": 100.0, "write report": 2.0}

StudyFolder = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of the study; a stopped study goes on from it.")
]
Executor = Annotated[str, typer.Option(help="local, or dask://HOST:PORT for an existing Dask cluster.")]
RecipeSettings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Field of the training recipe, such as steps=400; can be repeated."),
]
Threads = Annotated[int | None, typer.Option(help="Threads of each training (default: as torch chooses).")]


def threads_or_default(threads: int | None) -> int:
    """The number given, or what torch would take. It is stored: the order of sums depends on it."""
    import torch

    return threads or torch.get_num_threads()


Recipe = TypeVar("Recipe", "TrainingRecipe", "PretrainingRecipe")


def recipe_with(recipe: Recipe, settings: Sequence[str] | None) -> Recipe:
    """A recipe with values from texts such as ``steps=400``.

    Raises:
        SettingsError: a text without ``=``, an unknown field or a value of the wrong kind.
    """
    values: dict[str, Any] = {}
    for text in settings or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"'{text}' is no setting: write field=value, such as steps=400.")
        values[name] = _converted(name, value, type(getattr(recipe, name, "")))
    return recipe.but(**values)


def _converted(name: str, value: str, kind: type) -> Any:
    if kind is bool and value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        if kind is not bool:
            return kind(value)
    except ValueError:
        pass
    raise SettingsError(f"The recipe's {name} cannot be '{value}'.")


def absolute(paths: Sequence[Path] | None) -> tuple[str, ...]:
    """Paths as they are stored in study.json."""
    return tuple(str(path.expanduser().absolute()) for path in paths or ())


def describe_study(page: Path) -> dict[str, Any]:
    """Content of the result event."""
    folder = page.parent.absolute()
    return {"folder": str(folder), "report": str(page.absolute()), "record": str(folder / "study.json")}


def stays(folder: Path) -> str:
    """What a person is told who stopped a study."""
    return f"Cancelled. What was finished stays in {folder}; the same command goes on from there."
