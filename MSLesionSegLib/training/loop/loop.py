"""The training loop: streams patches, saves checkpoints, keeps the best state, resumes to the same result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from MSLesionSegLib.errors import Cancelled, SettingsError
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.network.number_format import trains_in_bfloat16
from MSLesionSegLib.training.examples.example import Example
from MSLesionSegLib.training.loop.checkpoint import Checkpoint, run_key
from MSLesionSegLib.training.loop.distributed import ALONE, ProcessGroup
from MSLesionSegLib.training.loop.losses import get_loss
from MSLesionSegLib.training.loop.recipe import Recipe, TrainingRecipe
from MSLesionSegLib.training.loop.schedule import learning_rate, make_optimiser
from MSLesionSegLib.training.loop.stages import TRAINING
from MSLesionSegLib.training.loop.stopwatch import Stopwatch

CHECKPOINT_SECONDS = 60

Tensors = torch.Tensor | tuple[torch.Tensor, ...]
# from the network's output and the labels to losses by name: their sum is made small, the first is told
Objective = Callable[[Any, torch.Tensor], dict[str, torch.Tensor]]


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


@dataclass(frozen=True)
class TrainingCourse:
    """How a training went.

    Attributes:
        losses: of every step.
        seconds: that it took, those before an interruption included.
    """

    losses: list[float]
    seconds: float


def train_network(
    network: torch.nn.Module,
    source: Source,
    recipe: Recipe,
    *,
    objective: Objective | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    validation: Validation | None = None,
    group: ProcessGroup = ALONE,
) -> TrainingCourse:
    """Train those weights of a network that are not frozen, in place; it is in evaluation mode at the end.

    A resumed run equals an unbroken one bit for bit on the same CPU.

    Args:
        network: maps what ``source`` gives to what ``objective`` takes: by default one logit map (N, 1, X, Y, Z).
        source: draws the batches.
        recipe: length, rates and optimiser.
        objective: what is made small; by default the loss of a :class:`TrainingRecipe`.
        checkpoint: file that is written about every minute and after each validation (atomically) and resumed from
            when it belongs to this very run: the same recipe, cases and starting weights. One of another run is
            replaced, with a warning.
        device: ``cpu`` or ``cuda``.
        progress: told the step and the mean loss.
        validation: when given, the best state is kept instead of the last one. The start is scored too, but is no
            candidate.
        group: processes that train together; each draws its own part of every batch from its own ``source``.

    Raises:
        SettingsError: the loss or its gradient is not finite any more.
        Cancelled: the person stopped it. The best state so far is in the network then, if there is one.
    """
    progress = progress or Silent()
    objective = objective or _segmentation(recipe)
    run = _Run(network, source, recipe, objective, checkpoint, device, progress, validation, group)
    try:
        while True:
            run.validate()
            if run.step >= recipe.steps or run.is_hopeless():
                break
            progress.stage(TRAINING, run.step / recipe.steps)
            run.advance()
    except Cancelled:
        run.end()
        raise
    run.end()
    progress.stage(TRAINING, 1.0)
    return TrainingCourse(run.losses, run.clock.seconds)


def _segmentation(recipe: Recipe) -> Objective:
    assert isinstance(recipe, TrainingRecipe)
    loss = get_loss(recipe.loss, recipe.activation)
    return lambda logits, label: {"loss": loss(logits.float(), label)}


class _Run:
    """The state of one training run."""

    def __init__(
        self,
        network: torch.nn.Module,
        source: Source,
        recipe: Recipe,
        objective: Objective,
        checkpoint: Path | None,
        device: str,
        progress: Progress,
        validation: Validation | None,
        group: ProcessGroup,
    ) -> None:
        # thin layers at full resolution are almost twice as fast with the channels last
        self.network = network.to(device, memory_format=torch.channels_last_3d).train()
        self.source, self.recipe, self.objective = source, recipe, objective
        self.device, self.progress, self.group = device, progress, group
        self.validation = validation
        self.optimiser = make_optimiser(recipe, network.parameters())
        self.step = 0
        self.losses: list[float] = []
        self.scores = [] if validation is None else validation.history
        self.best: dict[str, Any] | None = None
        self.checkpoint: Checkpoint | None = None
        spent = 0.0
        if checkpoint is not None:
            self.checkpoint = Checkpoint(checkpoint, run_key(network, source.examples, recipe))
            spent = self._resume(self.checkpoint)
        self.clock = Stopwatch(spent)
        group.barrier()  # nobody writes a checkpoint before all have read it
        self.forward = network
        if group.size > 1:
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
            output = self.forward(inputs)
        parts = self.objective(output, label)
        self.optimiser.zero_grad(set_to_none=True)
        reduce(torch.add, parts.values()).backward()
        steepness = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0))
        self.optimiser.step()
        told = next(iter(parts.values()))
        self.losses.append(self.group.mean(float(told.detach())))
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

    def validate(self) -> None:
        """Score the network, where that is due."""
        scored = self.scores[-1]["step"] if self.scores else -1
        if self.validation is None or scored >= self.step:
            return
        if self.step % self.validation.interval and self.step != self.recipe.steps:
            return
        self.network.eval()
        numbers = self.group.broadcast(self.validation.score(self.step) if self.group.leads else None)
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

    def end(self) -> None:
        """Save, and leave the network in its best state."""
        self.save()
        if self.best is not None:
            self.network.load_state_dict(self.best["weights"])
        self.network.eval()

    def save(self) -> None:
        self.saved = time.monotonic()
        if self.checkpoint is None or not self.group.leads:
            return
        self.checkpoint.write(
            {
                "network": self.network.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "losses": self.losses,
                "scores": list(self.scores),
                "best": self.best,
                "seconds": self.clock.seconds,
            }
        )

    def _resume(self, checkpoint: Checkpoint) -> float:
        """Take over what the checkpoint holds; returns the seconds that it took."""
        state = checkpoint.read(self.device, self.progress)
        if state is None:
            return 0.0
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.losses, self.best = state["step"], state["losses"], state["best"]
        self.scores.extend(state["scores"])
        return state.get("seconds", 0.0)  # earlier versions did not write it


def _on(inputs: Tensors, device: str) -> Tensors:
    if isinstance(inputs, tuple):
        return tuple(tensor.to(device, memory_format=torch.channels_last_3d) for tensor in inputs)
    return inputs.to(device, memory_format=torch.channels_last_3d)
