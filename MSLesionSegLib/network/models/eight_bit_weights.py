"""Weights at eight bits each, as the shipped models are stored: half the size of half precision.

Each slice along a tensor's first axis is divided by a scale of its own, so that its largest value becomes 127, and
rounded (symmetric quantization per channel, as in Krishnamoorthi 2018, arXiv:1806.08342). Networks compute with the
values that :func:`unpack` gives back, in their usual precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SCALE = ":scale"  # after a tensor's name: the scales of its slices
_LARGEST = 127
_FEW = 4096  # values; smaller tensors stay as they are, which costs next to nothing


def pack(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors as int8 with float32 scales of shape ``(slices,)``; small ones and those with one axis as they are."""
    import torch

    packed = {}
    for name, value in weights.items():
        if value.ndim < 2 or value.numel() < _FEW or not value.is_floating_point():
            packed[name] = value
            continue
        slices = value.float().flatten(1)
        scales = slices.abs().amax(1) / _LARGEST
        divisors = torch.where(scales > 0, scales, torch.ones_like(scales))
        packed[name] = (slices / divisors[:, None]).round().to(torch.int8).reshape(value.shape).contiguous()
        packed[name + SCALE] = scales.contiguous()
    return packed


def unpack(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What :func:`pack` was given, to half a scale in each value; tensors without a scale are left as they are."""
    unpacked = {}
    for name, value in weights.items():
        if name.endswith(SCALE):
            continue
        scales = weights.get(name + SCALE)
        if scales is not None:
            value = value.float() * scales.float().reshape(-1, *[1] * (value.ndim - 1))
        unpacked[name] = value
    return unpacked
