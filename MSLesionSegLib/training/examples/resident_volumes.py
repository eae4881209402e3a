"""The volumes of examples where patches are cut: in their files, or on a card as far as it has room."""

from __future__ import annotations

import numpy as np
import torch

from MSLesionSegLib.network.device import free_card_bytes
from MSLesionSegLib.training.examples.example import Example

_SHARE = 0.1  # of a card's free memory; the rest is the network's

Volume = np.ndarray | torch.Tensor


class ResidentVolumes:
    """Image and label of any example.

    Args:
        device: on ``cpu`` they are memory-mapped; a card reads each once and keeps those that fit, and of others the
            part that a patch needs comes to it.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.room = 0 if device == "cpu" else _SHARE * free_card_bytes()
        self._kept: dict[Example, tuple[torch.Tensor, torch.Tensor]] = {}

    def of(self, example: Example) -> tuple[Volume, Volume]:
        """Image (C, X, Y, Z) float16 and label (X, Y, Z) uint8 of an example."""
        if example in self._kept:
            return self._kept[example]
        stored = example.array("image"), example.array("label")
        size = sum(volume.nbytes for volume in stored)
        if size > self.room:
            return stored
        self.room -= size
        image, label = (torch.from_numpy(np.array(volume)).to(self.device) for volume in stored)
        self._kept[example] = image, label
        return image, label
