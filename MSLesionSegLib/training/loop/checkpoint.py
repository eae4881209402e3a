"""The checkpoint of a training run: one file, written in one step, read back only by the run that wrote it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from MSLesionSegLib.files.atomic import atomic_file
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.training.examples.example import Example, fingerprint
from MSLesionSegLib.training.loop.recipe import Recipe


def run_key(network: torch.nn.Module, examples: Iterable[Example], recipe: Recipe) -> str:
    """What tells one training run from another: recipe, cases and starting weights."""
    digest = hashlib.sha256(json.dumps(recipe.as_dict(), sort_keys=True).encode())
    digest.update(fingerprint(examples).encode())
    for parameter in network.parameters():
        digest.update(parameter.detach().cpu().contiguous().numpy())
        if not parameter.requires_grad:
            digest.update(b"frozen")
    return digest.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds the state of a run.

    Attributes:
        file: where.
        key: of the run, see :func:`run_key`.
    """

    file: Path
    key: str

    def write(self, state: dict[str, Any]) -> None:
        """Replace what the file holds; its folder is made."""
        with atomic_file(self.file) as partial:
            torch.save({"key": self.key, **state}, partial)

    def read(self, device: str, progress: Progress) -> dict[str, Any] | None:
        """The state that this run left, with its tensors on ``device``.

        Returns:
            None where there is none. A damaged file and one of another run are told in a warning.
        """
        if not self.file.exists():
            return None
        try:
            state = torch.load(self.file, map_location=device, weights_only=True)
        except Exception:  # damaged bytes make the unpickler raise errors of any kind
            state = {}
        if state.get("key") == self.key:
            return state
        progress.warning(
            "other-checkpoint",
            f"{self.file} is damaged or belongs to another run (other cases, recipe, starting weights or version of "
            "this program): training starts from the beginning.",
        )
        return None
