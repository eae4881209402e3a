"""The folder of one training run: held by one process at a time, and without patients' brains when it is left."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.files.lock import lock

RUNS = ".runs"


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what it needs until the gate has spoken.

    Attributes:
        models: folder of the store that receives the model.
        name: of the model.
    """

    models: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.models / RUNS / self.name

    @property
    def examples(self) -> Path:
        """Prepared cases: patients' brains."""
        return self.folder / "examples"

    @property
    def training(self) -> Path:
        """Plan, checkpoint and frozen features of the training."""
        return self.folder / "run"

    @property
    def left_out(self) -> Path:
        """Models that were trained without a patient each."""
        return self.folder / "leave-one-out"

    @property
    def model(self) -> Path:
        """The finished model."""
        return self.models / self.name

    def clear(self) -> None:
        """Delete everything: the run has come to its end."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def leave(self) -> None:
        """Delete all but what a run that goes on later cannot make again: plan, checkpoint and models."""
        shutil.rmtree(self.examples, ignore_errors=True)
        for features in self.folder.rglob("features-*"):
            shutil.rmtree(features, ignore_errors=True)
        if self.model.exists():
            shutil.rmtree(self.training, ignore_errors=True)
        with contextlib.suppress(OSError):  # something is left that a later run needs
            self.folder.rmdir()


@contextlib.contextmanager
def held_run(models: Path, names: Iterable[str], is_free: Callable[[str], bool]) -> Iterator[RunFolder]:
    """Hold the run folder of the first name that is free and that no other process trains under.

    What other runs that were killed have left of patients is deleted. A process that dies lets go of its folder.

    Args:
        models: folder of the store.
        names: in the order of preference.
        is_free: whether a model can be trained under this name; asked while its folder is held.

    Raises:
        OutputError: other processes hold all these names, or the folder cannot be written.
    """
    for name in names:
        with _lock(models, name) as held:
            if held and is_free(name):
                _clean_others(models, name)
                run = RunFolder(models, name)
                try:
                    yield run
                finally:
                    run.leave()
                return
    raise OutputError(
        "A training of that name runs already. Wait until it has ended, or choose another name."
    )


def _clean_others(models: Path, name: str) -> None:
    for folder in (models / RUNS).iterdir():
        if folder.is_dir() and folder.name != name:
            with _lock(models, folder.name) as held:
                if held:
                    RunFolder(models, folder.name).leave()


@contextlib.contextmanager
def _lock(models: Path, name: str) -> Iterator[bool]:
    """Whether this process could take the lock of a name; it is let go at the end."""
    file = models / RUNS / f"{name}.lock"
    with lock(file) as held:
        try:
            yield held
        finally:
            if held:
                with contextlib.suppress(OSError):  # Windows deletes no open file
                    file.unlink()
