"""From a network's output to probabilities."""

from __future__ import annotations

import torch


def probabilities(output: torch.Tensor, activation: str) -> torch.Tensor:
    """Probabilities in [0, 1] of one batch.

    Args:
        output: (N, C, X, Y, Z).
        activation: ``sigmoid``, or ``normalised-relu``: ReLU divided by its maximum over each sample (Gros et al.
            2021, SoftSeg); all 0 where nothing is positive.
    """
    if activation == "sigmoid":
        return torch.sigmoid(output)
    positive = torch.relu(output)
    return positive / positive.amax(dim=(1, 2, 3, 4), keepdim=True).clamp(min=1e-6)
