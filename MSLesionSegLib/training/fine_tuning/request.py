"""What to fine-tune, on what and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from MSLesionSegLib.files.checksums import json_sha256
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.models.store import user_models_folder
from MSLesionSegLib.training.examples.example import Example, fingerprint
from MSLesionSegLib.training.fine_tuning.recipes import FINE_TUNING, FineTuningRecipe


@dataclass(frozen=True)
class FineTuning:
    """What to fine-tune, on what and how.

    Attributes:
        name: of the new model.
        training: current cases.
        validation: cases of the same task that are never trained on; they choose the best state. May be empty.
        replay: examples of earlier sites that are trained on in between; may be empty.
        start: model (name or folder) to start from, or None for random weights.
        recipe: how.
        tune: part of the network that is tuned, see :func:`~MSLesionSegLib.network.freezing.freeze`.
        task, channels, architecture: of a model from random weights; otherwise the start's are taken.
        models: folder of the store that receives the model.
        work: folder for the checkpoint, continued from when it exists; below ``models`` when None.
        run: what tells the run that this is part of from others; stands in the card of a model that it has finished.
        device: ``cpu`` or ``cuda``.
        keep_s: seconds of a time budget that are needed after training, for the gate.
        began: :func:`time.monotonic` of when the time budget began to count; now when None.
    """

    name: str
    training: Sequence[Example]
    validation: Sequence[Example] = ()
    replay: Sequence[Example] = ()
    start: str | Path | None = None
    recipe: FineTuningRecipe = field(default_factory=lambda: FINE_TUNING["quick"])
    tune: str = "all"
    task: str = "flair"
    channels: tuple[str, ...] = ("FLAIR",)
    architecture: Architecture = field(default_factory=lambda: Architecture(full_resolution_divisor=2))
    models: Path = field(default_factory=user_models_folder)
    work: Path | None = None
    run: str = ""
    device: str = "cpu"
    keep_s: float = 0.0
    began: float | None = None


def training_key(request: FineTuning, recipe: FineTuningRecipe) -> str:
    """What tells one training from another: recipe, tuned part, start and cases."""
    facts = [
        recipe.as_dict(),
        request.tune,
        str(request.start),
        fingerprint(request.training),
        fingerprint(request.replay),
    ]
    return json_sha256(facts)
