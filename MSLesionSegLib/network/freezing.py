"""Parts of a network that are tuned while the rest stays frozen, and the cut between the two."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.network.architectures import Architecture

if TYPE_CHECKING:
    from monai.networks.nets import DynUNet

TUNE = ("all", "decoder", "last", "encoder")

# beginnings of parameter names; what is not in the encoder belongs to the decoder
_ENCODER = {
    "unet": ("input_block.", "downsamples.", "bottleneck."),
    "unetr": ("vit.",),
    "swinunetr": ("swinViT.",),
}
_LAST = {
    "unetr": ("decoder2.", "out."),
    "swinunetr": ("decoder1.", "out."),
}


def freeze(network: nn.Module, architecture: Architecture, tune: str) -> None:
    """Leave a gradient only to the parameters of one part.

    Args:
        network: built for ``architecture``.
        tune: ``all``; ``encoder`` (the way down); ``decoder`` (everything else); ``last``: the last two convolutions
            of a U-Net, the last stage of a transformer network (Karimi et al. 2021 tuned the last two layers).

    Raises:
        SettingsError: no such part.
    """
    check_part(tune)
    encoder = _ENCODER[architecture.kind]
    last = _LAST.get(architecture.kind) or _last_of_unet(architecture)
    for name, parameter in network.named_parameters():
        parameter.requires_grad = {
            "all": True,
            "encoder": name.startswith(encoder),
            "decoder": not name.startswith(encoder),
            "last": name.startswith(last),
        }[tune]


def check_part(tune: str) -> None:
    """Refuse a part that no network has.

    Raises:
        SettingsError: with the list of parts.
    """
    if tune not in TUNE:
        raise SettingsError(f"There is no part '{tune}' to tune. Parts: {', '.join(TUNE)}.")


def cut(network: nn.Module, architecture: Architecture, tune: str) -> tuple[nn.Module, nn.Module] | None:
    """The frozen beginning and the tuned rest of a network, which share its weights.

    Returns:
        Modules ``begin`` and ``rest`` with ``rest(begin(x)) == network(x)``; ``begin`` gives a tuple of tensors. None
        where nothing before the tuned part is frozen, or the network is no U-Net.
    """
    if architecture.kind != "unet" or tune not in ("decoder", "last"):
        return None
    unet = cast("DynUNet", network)
    encoder = _Encoder(unet)
    if tune == "decoder":
        return encoder, _Decoder(unet)
    return _BeforeLast(unet, encoder), _Last(unet)


def _last_of_unet(architecture: Architecture) -> tuple[str, ...]:
    block = f"upsamples.{architecture.levels - 1}.conv_block."
    return f"{block}conv2.", f"{block}norm2.", "output_block."


def encoder_levels(network: nn.Module) -> list[nn.Module]:
    """The levels of the way down of a DynUNet, full resolution first."""
    unet = cast("DynUNet", network)
    return [unet.input_block, *unet.downsamples, unet.bottleneck]


class _Encoder(nn.Module):
    """Way down of a DynUNet: the features of every level, full resolution first."""

    def __init__(self, network: DynUNet) -> None:
        super().__init__()
        self.levels = nn.ModuleList(encoder_levels(network))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return tuple(features)


class _Decoder(nn.Module):
    """Way up of a DynUNet, from the features of every level to the logits."""

    def __init__(self, network: DynUNet) -> None:
        super().__init__()
        self.upsamples = network.upsamples
        self.output_block = network.output_block

    def forward(self, features: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return self.output_block(_upwards(self.upsamples, features))


class _BeforeLast(nn.Module):
    """A DynUNet up to its last but one convolution."""

    def __init__(self, network: DynUNet, encoder: _Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        *before, self.last = network.upsamples
        self.before = nn.ModuleList(before)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        skip, *deeper = self.encoder(x)
        x = _upwards(self.before, tuple(deeper))
        block = self.last.conv_block
        x = torch.cat((self.last.transp_conv(x), skip), dim=1)
        return (block.lrelu(block.norm1(block.conv1(x))),)


class _Last(nn.Module):
    """The last two convolutions of a DynUNet."""

    def __init__(self, network: DynUNet) -> None:
        super().__init__()
        block = network.upsamples[-1].conv_block
        self.conv2, self.norm2, self.lrelu = block.conv2, block.norm2, block.lrelu
        self.output_block = network.output_block

    def forward(self, features: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return self.output_block(self.lrelu(self.norm2(self.conv2(features[0]))))


def _upwards(upsamples: nn.ModuleList, features: tuple[torch.Tensor, ...]) -> torch.Tensor:
    *skips, x = features
    for upsample, skip in zip(upsamples, reversed(skips), strict=True):
        x = upsample(x, skip)
    return x
