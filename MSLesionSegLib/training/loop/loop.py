"""The training loop: streams patches, saves checkpoints, keeps the best state, resumes to the same result."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from MSLesionSegLib.errors import Cancelled, SettingsError
from MSLesionSegLib.files.atomic import atomic_file
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.network.precision import trains_in_bfloat16
from MSLesionSegLib.training.examples.example import Example, fingerprint
from MSLesionSegLib.training.loop.distributed import ALONE, Team
from MSLesionSegLib.training.loop.losses import get_loss
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.loop.schedule import learning_rate, make_optimiser
from MSLesionSegLib.training.loop.stages import TRAINING

CHECKPOINT_SECONDS = 60

Tensors = torch.Tensor | tuple[torch.Tensor, ...]


class Source(Protocol):
    """What the loop draws its batches from."""

    examples: list[Example]

    def batch(self, step: int) -> tuple[Any, torch.Tensor]:
        """Network input (a tensor, or a tuple of them) and soft labels of a step."""


@dataclass(frozen=True)
class Validation:
    """Scoring on cases that are not trained on.

    Attributes:
        score: measures the network after so many steps: numbers by name, of which ``score`` (higher is better)
            chooses the state that is kept.
        interval: steps from one to the next; the start and the end are scored as well.
        patience: how many in a row without a better one end the training; 0 is never.
        history: receives the step and the numbers of every scoring, those of a resumed run's earlier part included.
    """

    score: Callable[[int], dict[str, float]]
    interval: int
    patience: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def train_network(
    network: torch.nn.Module,
    source: Source,
    recipe: TrainingRecipe,
    *,
    checkpoint: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    validation: Validation | None = None,
    team: Team = ALONE,
) -> torch.nn.Module:
    """Train those weights of a network that are not frozen, in place.

    Args:
        network: maps what ``source`` gives to one logit map (N, 1, X, Y, Z).
        source: draws the batches.
        recipe: length, rates, loss and optimiser.
        checkpoint: file that is written about every minute and after each validation (atomically) and continued from
            when it belongs to this very run: the same recipe, cases and starting weights. One of another run is
            replaced, with a warning.
        device: ``cpu`` or ``cuda``.
        progress: told the step and the mean loss.
        validation: when given, the best state is kept instead of the last one. The start is scored too, but is no
            candidate.
        team: processes that train together; each draws its own part of every batch from its own ``source``.

    Returns:
        The network, in evaluation mode. A resumed run equals an unbroken one bit for bit on the same CPU.

    Raises:
        SettingsError: the loss or its gradient is no number any more.
        Cancelled: the person stopped it. The best state so far is in the network then, if there is one.
    """
    progress = progress or Silent()
    run = _Run(network, source, recipe, checkpoint, device, progress, validation, team)
    try:
        while True:
            if run.is_due():
                run.validate()
            if run.step >= recipe.steps or run.is_hopeless():
                break
            progress.stage(TRAINING, run.step / recipe.steps)
            run.advance()
    except Cancelled:
        run.save()
        run.restore_best()
        raise
    run.save()
    run.restore_best()
    progress.stage(TRAINING, 1.0)
    return network.eval()


class _Run:
    """The state of one training run."""

    def __init__(self, network, source, recipe, checkpoint, device, progress, validation, team) -> None:
        # thin layers at full resolution are almost twice as fast with the channels last
        self.network = network.to(device, memory_format=torch.channels_last_3d).train()
        self.source, self.recipe, self.checkpoint = source, recipe, checkpoint
        self.device, self.progress, self.team = device, progress, team
        self.validation = validation
        self.optimiser = make_optimiser(recipe, network.parameters())
        self.loss = get_loss(recipe.loss, recipe.activation)
        self.step = 0
        self.losses: list[float] = []
        self.scores = [] if validation is None else validation.history
        self.best: dict[str, Any] | None = None
        self.key = _run_key(network, source, recipe)
        self._resume()
        team.wait()  # nobody writes a checkpoint before all have read it
        self.forward = network
        if team.size > 1:
            self.forward = torch.nn.parallel.DistributedDataParallel(network)
        self.saved = time.monotonic()
        self.fast: bool | None = None  # whether in bfloat16, found out from the first batch

    def advance(self) -> None:
        """One optimiser step."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step, self.losses)
        inputs, label = self.source.batch(self.step)
        inputs, label = _on(inputs, self.device), label.to(self.device)
        if self.fast is None:
            self.fast = trains_in_bfloat16(self.network, inputs, self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.fast):
            logits = self.forward(inputs)
        loss = self.loss(logits.float(), label)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        steepness = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0))
        self.optimiser.step()
        self.losses.append(self.team.mean(float(loss.detach())))
        if not (math.isfinite(self.losses[-1]) and math.isfinite(steepness)):
            raise SettingsError(
                f"The training diverged at step {self.step + 1}: the loss is not a number. Lower the "
                f"recipe's learning_rate (now {self.recipe.learning_rate:g})."
            )
        self.step += 1
        if self.step % 50 == 0:
            self.progress.metric("loss", float(np.mean(self.losses[-50:])), step=self.step)
        if time.monotonic() - self.saved > CHECKPOINT_SECONDS:
            self.save()

    def is_due(self) -> bool:
        if self.validation is None:
            return False
        scored = self.scores[-1]["step"] if self.scores else -1
        return scored < self.step and (
            self.step % self.validation.interval == 0 or self.step == self.recipe.steps
        )

    def validate(self) -> None:
        self.network.eval()
        numbers = self.team.share(self.validation.score(self.step) if self.team.leads else {})
        self.network.train()
        self.scores.append({"step": self.step, **numbers})
        if self.step and (self.best is None or numbers["score"] > self.best["score"]):
            weights = {key: value.detach().cpu().clone() for key, value in self.network.state_dict().items()}
            self.best = {"score": numbers["score"], "step": self.step, "weights": weights}
        self.save()

    def is_hopeless(self) -> bool:
        if self.validation is None or not self.validation.patience or self.best is None:
            return False
        since = sum(numbers["step"] > self.best["step"] for numbers in self.scores)
        return since >= self.validation.patience

    def restore_best(self) -> None:
        if self.best is not None:
            self.network.load_state_dict(self.best["weights"])
        self.network.eval()

    def save(self) -> None:
        self.saved = time.monotonic()
        if self.checkpoint is None or not self.team.leads:
            return
        state = {
            "key": self.key,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "losses": self.losses,
            "scores": list(self.scores),
            "best": self.best,
        }
        with atomic_file(self.checkpoint) as partial:
            torch.save(state, partial)

    def _resume(self) -> None:
        state = _read(self.checkpoint, self.key, self.device, self.progress)
        if state is None:
            return
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.losses = state["step"], state["losses"]
        self.scores.extend(state.get("scores", []))
        self.best = state.get("best")


def _on(inputs: Tensors, device: str) -> Tensors:
    if isinstance(inputs, tuple):
        return tuple(_on(tensor, device) for tensor in inputs)
    return inputs.to(device, memory_format=torch.channels_last_3d)


def _run_key(network: torch.nn.Module, source: Source, recipe: TrainingRecipe) -> str:
    """What tells one training run from another: recipe, cases and starting weights."""
    digest = hashlib.sha256(json.dumps(recipe.as_dict(), sort_keys=True).encode())
    digest.update(fingerprint(source.examples).encode())
    for parameter in network.parameters():
        digest.update(parameter.detach().cpu().contiguous().numpy())
        if not parameter.requires_grad:
            digest.update(b"frozen")
    return digest.hexdigest()


def _read(path: Path | None, key: str, device: str, progress: Progress) -> dict[str, Any] | None:
    if path is None or not path.exists():
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception:  # damaged bytes make the unpickler raise errors of any kind
        state = {}
    if state.get("key") == key:
        return state
    progress.warning(
        "other-checkpoint",
        f"{path} is damaged or belongs to another run (other cases, recipe or starting weights): training "
        "starts from the beginning.",
    )
    return None
