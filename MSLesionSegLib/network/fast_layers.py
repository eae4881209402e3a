"""Layers with torch's parameters and results that take less time on a CPU.

torch leaves a convolution of one scan in float32 with few or small maps to code of its own, and not to oneDNN that is
several times faster on them; here all go to oneDNN. (The gradient of one scan goes where torch sends it; that of two
goes to oneDNN.)

At full resolution a U-Net has few maps, fewer than the numbers a processor computes at once, and torch's layers
compute one voxel at a time. With the channels last in memory, the maps of neighbouring voxels lie beside each other:
read as one voxel with several times as many maps, they fill the processor, and nothing is moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

_LAYOUT = torch.channels_last_3d
_AT_ONCE = 16  # float32 numbers in a register of AVX-512
_FILLS = 2 * _AT_ONCE  # bfloat16 numbers
_Edges = Sequence[int]  # along the three axes


def side_by_side(maps: torch.Tensor, voxels: int) -> torch.Tensor:
    """Neighbours along the last axis as further maps: (N, C, X, Y, Z) to (N, voxels * C, X, Y, Z / voxels).

    A view where the channels lie last in memory.
    """
    n, channels, x, y, z = maps.shape
    rows = maps.permute(0, 2, 3, 4, 1).reshape(n, x, y, z // voxels, voxels * channels)
    return rows.permute(0, 4, 1, 2, 3)


def apart(maps: torch.Tensor, voxels: int) -> torch.Tensor:
    """The opposite of :func:`side_by_side`."""
    n, channels, x, y, z = maps.shape
    rows = maps.permute(0, 2, 3, 4, 1).reshape(n, x, y, z * voxels, channels // voxels)
    return rows.permute(0, 4, 1, 2, 3)


class Conv(torch.nn.Conv3d):
    """``torch.nn.Conv3d`` that oneDNN computes: same parameters, same sums, and the channels stay where they are."""

    padding: tuple[int, ...]  # never a word

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, X, Y, Z) to (N, out_channels, X', Y', Z')."""
        if maps.dim() != 5 or torch.is_autocast_enabled("cpu"):
            return super().forward(maps)
        return _convolve(maps, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class ThinConv(Conv):
    """``torch.nn.Conv3d`` of 3 voxels per edge to eight maps or fewer: AVX-512 computes two neighbours at once.

    The sums are those of torch; gradients in bfloat16 are rounded otherwise. Only for layers without bias that pad by
    one zero and step by one (:func:`with_fast_layers` chooses them); nothing may work in place on the result.
    """

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, X, Y, Z) to (N, out_channels, X, Y, Z)."""
        if maps.dim() != 5 or maps.shape[-1] % 2 or not (_lies_side_by_side(maps) and _has_long_registers()):
            return super().forward(maps)
        weight = self.weight
        # autocast leaves float64 alone
        if torch.is_autocast_enabled("cpu") and maps.dtype is not torch.float64:
            kind = torch.get_autocast_dtype("cpu")
            maps, weight = maps.to(kind), weight.to(kind)
        return _Convolution.apply(maps, weight)


class InstanceNorm(torch.nn.InstanceNorm3d):
    """``torch.nn.InstanceNorm3d`` that leaves the channels where they are: same parameters, same result.

    torch lays every scan out anew, channels first, before it normalises, and the next convolution turns it back.
    Batch normalisation of one scan is the same sum and takes any layout; where no gradient is asked for, that of a
    few maps is taken of several voxels at once.
    """

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Normalise each map of each scan: (N, C, X, Y, Z) to the same shape and memory layout."""
        if maps.device.type != "cpu" or maps.dim() != 5:
            return super().forward(maps)
        scans = [self._one(scan) for scan in maps.split(1)]
        return scans[0] if len(scans) == 1 else torch.cat(scans)

    def _one(self, scan: torch.Tensor) -> torch.Tensor:
        voxels = _FILLS // self.num_features
        fits = self.affine and voxels > 1 and scan.shape[-1] % voxels == 0
        if fits and not torch.is_grad_enabled() and _lies_side_by_side(scan):
            return _normalised(scan, self.weight, self.bias, self.eps, voxels)
        return F.batch_norm(scan, None, None, self.weight, self.bias, training=True, eps=self.eps)


def with_fast_layers(network: torch.nn.Module) -> torch.nn.Module:
    """Put these layers in the place of torch's; weights and their names stay."""
    for module in network.modules():
        if type(module) is torch.nn.InstanceNorm3d:
            module.__class__ = InstanceNorm  # same state, only ``forward`` differs
        elif type(module) is torch.nn.Conv3d and _is_plain(module):
            module.__class__ = ThinConv if _is_thin(module) else Conv
    return network


class _Convolution(torch.autograd.Function):
    """Convolution with a kernel of 3 x 3 x 3 that steps by two voxels along the last axis and gives both."""

    @staticmethod
    def forward(ctx: Any, maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(maps, weight)
        return _convolve_pairs(maps, weight)

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        maps, weight = ctx.saved_tensors
        slope = slope.contiguous(memory_format=_LAYOUT)
        by_maps = by_weight = None
        if ctx.needs_input_grad[0]:
            back = weight.flip(2, 3, 4).transpose(0, 1).contiguous(memory_format=_LAYOUT)
            thin = 2 * len(back) <= _AT_ONCE
            by_maps = _convolve_pairs(slope, back) if thin else _convolve(slope, back)
        if ctx.needs_input_grad[1]:
            both = _kernel_of_pairs(weight)
            _, both, _ = torch.ops.aten.convolution_backward(
                side_by_side(slope, 2), maps, both, None, (1, 1, 2), (1, 1, 1), (1, 1, 1), False, (0, 0, 0), 1,
                (False, True, False),
            )  # fmt: skip
            first, second = both.chunk(2)
            by_weight = first[..., :3] + second[..., 1:]
        return by_maps, by_weight


def _convolve_pairs(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return apart(_convolve(maps, _kernel_of_pairs(weight), stride=(1, 1, 2)), 2)


def _convolve(
    maps: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: _Edges = (1, 1, 1),
    padding: _Edges = (1, 1, 1),
    dilation: _Edges = (1, 1, 1),
    groups: int = 1,
) -> torch.Tensor:
    if maps.dtype is torch.float32 and _has_onednn(maps):
        return torch.ops.aten.mkldnn_convolution(maps, weight, bias, padding, stride, dilation, groups)
    return F.conv3d(maps, weight, bias, stride, padding, dilation, groups)  # oneDNN's anyway, or nobody's


def _kernel_of_pairs(weight: torch.Tensor) -> torch.Tensor:
    """(O, C, 3, 3, 3) to (2 O, C, 3, 3, 4): the kernel at two neighbours, in their common window."""
    return torch.cat([F.pad(weight, (0, 1)), F.pad(weight, (1, 0))]).contiguous(memory_format=_LAYOUT)


def _normalised(
    scan: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float, voxels: int
) -> torch.Tensor:
    """Batch normalisation of one scan, several voxels side by side; it has no gradient."""
    wide = side_by_side(scan, voxels)
    mean_before, variance_before = weight.new_zeros(2, wide.shape[1])  # not used, but for their number format
    statistics = torch.batch_norm_update_stats(wide, mean_before, variance_before, 0.0)
    means, variances = (v.view(voxels, -1) for v in statistics)
    mean = means.mean(0)
    variance = variances.mean(0) + (means - mean).square().mean(0)
    columns = (v.repeat(voxels) for v in (weight, bias, mean, variance))
    result = torch.empty_like(scan)  # no view, so that the activation may work in its place
    place, (unused, unused_too) = side_by_side(result, voxels), weight.new_empty(2, 0)
    torch.ops.aten.native_batch_norm.out(
        wide, *columns, False, 0.0, eps, out=place, save_mean=unused, save_invstd=unused_too
    )
    return result


def _lies_side_by_side(maps: torch.Tensor) -> bool:
    """Whether the maps of neighbouring voxels lie beside each other, in the processor's memory."""
    return maps.device.type == "cpu" and maps.is_contiguous(memory_format=_LAYOUT)


def _has_long_registers() -> bool:
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def _has_onednn(maps: torch.Tensor) -> bool:
    onednn = torch.backends.mkldnn
    return maps.device.type == "cpu" and onednn.is_available() and bool(onednn.enabled)


def _is_plain(layer: torch.nn.Conv3d) -> bool:
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _is_thin(layer: torch.nn.Conv3d) -> bool:
    usual = layer.kernel_size == (3, 3, 3) and layer.stride == layer.padding == layer.dilation == (1, 1, 1)
    return usual and layer.groups == 1 and layer.bias is None and 2 * layer.out_channels <= _AT_ONCE
