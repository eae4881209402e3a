"""From a network's output to probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from MSLesionSegLib.errors import ModelError

if TYPE_CHECKING:
    import torch

SIGMOID = "sigmoid"
NORMALISED_RELU = "normalised-relu"
ACTIVATIONS = (SIGMOID, NORMALISED_RELU)


def probabilities(output: torch.Tensor, activation: str) -> torch.Tensor:
    """Probabilities in [0, 1] of one batch.

    Args:
        output: (N, C, X, Y, Z).
        activation: ``sigmoid``, or ``normalised-relu``: ReLU divided by its maximum over each sample (Gros et al.
            2021, SoftSeg); all 0 where nothing is positive.

    Raises:
        ModelError: an activation of another name.
    """
    return normalise(activate(output, activation), activation, (1, 2, 3, 4))


def activate(output: torch.Tensor, activation: str) -> torch.Tensor:
    """What an activation does to each voxel alone; :func:`normalise` is the rest.

    Raises:
        ModelError: an activation of another name.
    """
    if activation == SIGMOID:
        return output.sigmoid()
    if activation == NORMALISED_RELU:
        return output.relu()
    raise ModelError(f"Unknown activation '{activation}'. Known ones: {', '.join(ACTIVATIONS)}.")


def normalise(values: torch.Tensor, activation: str, axes: Sequence[int]) -> torch.Tensor:
    """Activated values as probabilities; a ReLU's are divided by their maximum over ``axes``."""
    if activation == SIGMOID:
        return values
    return values / values.amax(dim=tuple(axes), keepdim=True).clamp(min=1e-6)
