"""Starting a network from another one's weights, also where the inputs differ."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from MSLesionSegLib.errors import ModelError


def inherit(network: nn.Module, parent: nn.Module, gains: Sequence[float] = ()) -> None:
    """Copy a U-Net's weights into another one; where inputs differ, its first filters are shared out.

    What a lesion looks like on one channel is much the same on a difference of two: a network for (before, after)
    that starts with gains (-1, 1) sees at first what its parent would see on after - before.

    Args:
        network: takes the weights, of the parent's architecture but for the number of channels.
        parent: network with one channel, or with as many as ``network``.
        gains: factor of the parent's filters for each channel of ``network``; empty where the channels are the same.

    Raises:
        ModelError: the networks differ in more than their channels, or the gains do not fit them.
    """
    own, weights = network.state_dict(), dict(parent.state_dict())
    first = [name for name in weights if gains and name in own and own[name].shape != weights[name].shape]
    for name in first:
        if weights[name].ndim != 5 or weights[name].shape[1] != 1 or own[name].shape[1] != len(gains):
            raise ModelError(
                "Only the first filters of a network with one channel can be shared out to several."
            )
        weights[name] = torch.cat([weights[name] * gain for gain in gains], dim=1)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelError("The parent's weights do not fit the network that starts from them.") from error
