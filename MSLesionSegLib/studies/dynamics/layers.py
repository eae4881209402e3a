"""Six layers of a U-Net, from the first of the encoder to the last of the decoder: activations and filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.network.freezing import encoder_levels

if TYPE_CHECKING:
    from monai.networks.nets import DynUNet

LAYERS = ("encoder-1", "encoder-2", "encoder-3", "decoder-1", "decoder-2", "decoder-3")


def chosen_layers(network: nn.Module) -> dict[str, nn.Module]:
    """First, middle and last level of the encoder and of the decoder of a DynUNet, in the order of the data's way."""
    encoder, decoder = encoder_levels(network), list(cast("DynUNet", network).upsamples)
    levels = [group[k] for group in (encoder, decoder) for k in (0, len(group) // 2, len(group) - 1)]
    return dict(zip(LAYERS, levels, strict=True))


def activations(network: nn.Module, patches: Sequence[torch.Tensor], samples: int) -> dict[str, np.ndarray]:
    """Activations of the six layers at random places of patches, float32 (samples, channels).

    Args:
        network: a DynUNet in evaluation mode.
        patches: images (C, p, p, p).
        samples: places per layer, spread over the patches; all places where a layer has fewer. The places depend on
            the layer's size alone, so that networks of one architecture are compared place by place.

    Raises:
        SettingsError: fewer than two places per channel, which would make layers look alike by chance.
    """
    seen: dict[str, list[np.ndarray]] = {name: [] for name in LAYERS}

    def catcher(name: str) -> Callable[[nn.Module, object, torch.Tensor], None]:
        def catch(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
            flat = output[0].flatten(1).T.numpy()
            count = min(-(-samples // len(patches)), len(flat))
            rng = np.random.default_rng([LAYERS.index(name), len(seen[name])])
            seen[name].append(flat[rng.choice(len(flat), count, replace=False)])

        return catch

    hooks = [layer.register_forward_hook(catcher(name)) for name, layer in chosen_layers(network).items()]
    try:
        with torch.inference_mode():
            for patch in patches:
                network(patch[None])
    finally:
        for hook in hooks:
            hook.remove()
    found = {name: np.concatenate(parts) for name, parts in seen.items()}
    for name, values in found.items():
        if len(values) < 2 * values.shape[1]:
            raise SettingsError(
                f"{len(values)} samples are too few for the {values.shape[1]} channels of {name}: take more patches."
            )
    return found


def filters(network: nn.Module) -> dict[str, np.ndarray]:
    """Weights (out, in, 3, 3, 3) of the last convolution of each of the six layers."""
    found = {}
    for name, layer in chosen_layers(network).items():
        convolutions = [m for m in layer.modules() if isinstance(m, nn.Conv3d) and m.kernel_size == (3, 3, 3)]
        found[name] = convolutions[-1].weight.detach().numpy().copy()
    return found


def filter_change(before: np.ndarray, after: np.ndarray) -> float:
    """Mean over the filters of the norm of the change, relative to the norm before."""
    axes = (1, 2, 3, 4)
    change = np.sqrt(((after - before) ** 2).sum(axes)) / np.sqrt((before**2).sum(axes))
    return float(change.mean())
