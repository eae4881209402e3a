"""Instance normalisation that leaves the channels where they are."""

from __future__ import annotations

import torch


class InstanceNorm(torch.nn.InstanceNorm3d):
    """``torch.nn.InstanceNorm3d`` without its detour on the CPU: same parameters, same result.

    torch lays every scan out anew, channels first, before it normalises, and the next convolution turns it back:
    a fifth of a training step where the channels lie last. Batch normalisation of one scan is the same sum and
    takes any layout.
    """

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Normalise each map of each scan: (N, C, X, Y, Z) to the same shape and memory layout."""
        if maps.device.type != "cpu":
            return super().forward(maps)
        scans = [
            torch.nn.functional.batch_norm(
                one, None, None, self.weight, self.bias, training=True, eps=self.eps
            )
            for one in maps.split(1)
        ]
        return scans[0] if len(scans) == 1 else torch.cat(scans)


def with_fast_norms(network: torch.nn.Module) -> torch.nn.Module:
    """Put :class:`InstanceNorm` in the place of every instance normalisation of a new network."""
    for name, module in list(network.named_modules()):
        if type(module) is torch.nn.InstanceNorm3d:
            network.set_submodule(
                name, InstanceNorm(module.num_features, eps=module.eps, affine=module.affine)
            )
    return network
