"""What training makes small, as functions of logits and soft labels in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from MSLesionSegLib.network.activation import probabilities

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def dice_cross_entropy(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Soft Dice over the whole batch plus binary cross-entropy; labels may be soft."""
    return soft_dice(torch.sigmoid(logits), label) + F.binary_cross_entropy_with_logits(logits, label)


def soft_dice(probability: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """One minus the soft Dice over the whole batch."""
    overlap = (probability * label).sum()
    return 1 - (2 * overlap + 1) / (probability.sum() + label.sum() + 1)


def lesion_dice(probability: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """One minus the soft Dice of each lesion in the part of the patch that is nearer to it than to any other.

    So a lesion of ten voxels counts as much as one of a thousand (CC-Metrics, Jaus et al. 2025, AAAI, as a loss). A
    lesion is a 26-connected component of ``label`` above one half. Mean of all lesions in the batch, 0 without any.

    Args:
        probability, label: (N, 1, X, Y, Z) in [0, 1].
    """
    territories, count = [], 0
    for lesions in (label[:, 0] > 0.5).cpu().numpy():
        numbers, found = ndimage.label(lesions, np.ones((3, 3, 3)))
        if found:
            nearest = ndimage.distance_transform_edt(
                numbers == 0, return_distances=False, return_indices=True
            )
            numbers = numbers[tuple(nearest)] + count
        territories.append(torch.from_numpy(numbers.ravel()).long())
        count += found
    if not count:
        return probability.sum() * 0
    index = torch.cat(territories).to(label.device)
    empty = torch.zeros(count + 1, device=label.device)
    overlap, marked, true = (
        empty.index_add(0, index, values.reshape(-1))[1:]
        for values in (probability * label, probability, label)
    )
    return (1 - (2 * overlap + 1) / (marked + true + 1)).mean()


def get_loss(name: str, activation: str) -> Loss:
    """The loss of a recipe: ``dice-ce``, ``ce``, ``dice`` or ``lesion-dice-ce``, which adds :func:`lesion_dice`."""
    if name == "dice":
        return lambda logits, label: soft_dice(probabilities(logits, activation), label)
    if name == "lesion-dice-ce":
        return lambda logits, label: (
            dice_cross_entropy(logits, label) + lesion_dice(torch.sigmoid(logits), label)
        )
    losses: dict[str, Loss] = {"dice-ce": dice_cross_entropy, "ce": F.binary_cross_entropy_with_logits}
    return losses[name]
