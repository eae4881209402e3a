"""What the commands that repeat the papers share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from MSLesionSegLib.commands.options import JobOptions
from MSLesionSegLib.commands.running import run
from MSLesionSegLib.jobs.job import Job

# expected shares of the time
STAGES = {"prepare cases": 10.0, "train and test": 100.0, "write report": 2.0}

StudyFolder = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of the study; a stopped study is resumed from it.")
]
Executor = Annotated[str, typer.Option(help="local, or dask://HOST:PORT for an existing Dask cluster.")]
RecipeName = Annotated[
    str,
    typer.Option(
        "--recipe", help="default (of the shipped models), ms-transfer, replay, pretrained, fcn or quick."
    ),
]
RecipeSettings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Field of the training recipe, such as steps=400; can be repeated."),
]
Threads = Annotated[int | None, typer.Option(help="Threads of each training (default: as torch chooses).")]


def threads_or_default(threads: int | None) -> int:
    """The number given, or what torch would take. It is stored: the order of sums depends on it."""
    import torch

    return threads or torch.get_num_threads()


def model_reference(model: str) -> str:
    """A model as study.json holds it: a name stays a name, a folder's path becomes absolute."""
    return str(Path(model).expanduser().absolute()) if "/" in model or os.sep in model else model


def absolute(paths: Sequence[Path] | None) -> tuple[str, ...]:
    """Paths as they are stored in study.json."""
    return tuple(str(path.expanduser().absolute()) for path in paths or ())


def stays(folder: Path) -> str:
    """What a person is told who stopped a study."""
    return f"Cancelled. What was finished stays in {folder}; the same command resumes it."


@dataclass(frozen=True, kw_only=True)
class RunOptions(JobOptions):
    """Options of every study: where it is stored and what runs it."""

    output: StudyFolder
    executor: Executor = "local"

    def run(self, name: str, work: Callable[[Job], Path]) -> None:
        """Run the job of a study; ``work`` returns its page."""
        run(f"study {name}", work, STAGES, _describe, self, stays(self.output))


@dataclass(frozen=True, kw_only=True)
class StudyOptions(RunOptions):
    """Options of every study that trains."""

    settings: RecipeSettings = None
    threads: Threads = None


def _describe(page: Path) -> dict[str, Any]:
    folder = page.parent.absolute()
    return {"folder": str(folder), "report": str(page.absolute()), "record": str(folder / "study.json")}
