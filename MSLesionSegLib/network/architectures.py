"""Network architectures, all built from MONAI blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from MSLesionSegLib.errors import ModelError

if TYPE_CHECKING:
    import torch

ARCHITECTURES = ("unet", "unetr", "swinunetr")
WINDOW = 96


@dataclass(frozen=True)
class Architecture:
    """What is needed to rebuild a network.

    Attributes:
        kind: ``unet`` (MONAI DynUNet), ``unetr`` or ``swinunetr``.
        levels: number of down-sampling steps of the U-Net: 3, 4 or 5.
        base: feature maps of the U-Net at full resolution if ``thin`` is 1; they double at each level, up to
            16 x base. Feature size of the transformers.
        thin: the U-Net keeps base / thin maps at full resolution, where most of the time is spent.
        in_channels: input volumes.
        out_channels: output maps (1: one logit for lesion).
        patch: edge of the cubic input that a transformer is built for, in voxels (UNETR only).
        hidden, heads: length of a token and number of attention heads (UNETR only; ViT-B has 768 and 12).
    """

    kind: str = "unet"
    levels: int = 4
    base: int = 16
    thin: int = 1
    in_channels: int = 1
    out_channels: int = 1
    patch: int = 96
    hidden: int = 768
    heads: int = 12

    @property
    def multiple(self) -> int:
        """Input edges must be multiples of this many voxels."""
        return {"unet": 2**self.levels, "unetr": 16, "swinunetr": 32}[self.kind]

    @property
    def window(self) -> int:
        """Edge of the cubes in which it looks at a scan, in voxels: only a UNETR is bound to one size."""
        return self.patch if self.kind == "unetr" else WINDOW


def build(architecture: Architecture) -> torch.nn.Module:
    """Build a network with random weights.

    The network maps (N, in_channels, X, Y, Z) to logits (N, out_channels, X, Y, Z).

    Raises:
        ModelError: unknown kind, or a size that the kind does not offer.
    """
    from MSLesionSegLib.network.fast_layers import with_fast_layers

    return with_fast_layers(build_by_monai(architecture))


def build_by_monai(architecture: Architecture) -> torch.nn.Module:
    """The same network with torch's own layers."""
    from MSLesionSegLib.network.monai_loading import load_monai

    load_monai()
    a = architecture
    if a.kind == "unet":
        return _unet(a)
    if a.kind == "unetr":
        if a.hidden % a.heads or a.patch % 16:
            raise ModelError(
                f"A UNETR needs tokens ({a.hidden}) that its heads ({a.heads}) can share, and an input edge "
                f"({a.patch}) of whole blocks of 16 voxels."
            )
        from monai.networks.nets import UNETR

        return UNETR(
            a.in_channels,
            a.out_channels,
            img_size=(a.patch,) * 3,
            feature_size=a.base,
            hidden_size=a.hidden,
            mlp_dim=4 * a.hidden,
            num_heads=a.heads,
            norm_name="instance",
        )
    if a.kind == "swinunetr":
        from monai.networks.nets import SwinUNETR

        # feature_size must be divisible by 12: three heads of the first stage, windows of four
        return SwinUNETR(
            in_channels=a.in_channels, out_channels=a.out_channels, feature_size=max(12, a.base // 12 * 12)
        )
    raise ModelError(f"Unknown network kind '{a.kind}'. Known kinds: {', '.join(ARCHITECTURES)}.")


def _unet(a: Architecture) -> torch.nn.Module:
    from monai.networks.nets import DynUNet

    if a.levels not in (3, 4, 5):
        raise ModelError(f"A U-Net has 3, 4 or 5 levels, not {a.levels}.")
    if a.thin < 1 or a.base % a.thin:
        raise ModelError(
            f"A U-Net with {a.base} feature maps cannot be {a.thin} times thinner at full resolution."
        )
    filters = [a.base * min(2**level, 16) for level in range(a.levels + 1)]
    filters[0] //= a.thin
    return DynUNet(
        spatial_dims=3,
        in_channels=a.in_channels,
        out_channels=a.out_channels,
        kernel_size=[3] * (a.levels + 1),
        strides=[1] + [2] * a.levels,
        upsample_kernel_size=[2] * a.levels,
        filters=filters,
        norm_name=("INSTANCE", {"affine": True}),
        res_block=False,
    )
