"""What training makes small, as functions of logits and soft labels in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from MSLesionSegLib.network.activation import probabilities

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def dice_cross_entropy(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Soft Dice over the whole batch plus binary cross-entropy; labels may be soft."""
    return soft_dice(torch.sigmoid(logits), label) + F.binary_cross_entropy_with_logits(logits, label)


def soft_dice(probability: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """One minus the soft Dice over the whole batch."""
    overlap = (probability * label).sum()
    return 1 - (2 * overlap + 1) / (probability.sum() + label.sum() + 1)


def get_loss(name: str, activation: str) -> Loss:
    """The loss of a recipe: ``dice-ce``, ``ce`` or ``dice``."""
    if name == "dice":
        return lambda logits, label: soft_dice(probabilities(logits, activation), label)
    losses: dict[str, Loss] = {"dice-ce": dice_cross_entropy, "ce": F.binary_cross_entropy_with_logits}
    return losses[name]
