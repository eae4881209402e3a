"""Network architectures, all built from MONAI blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from MSLesionSegLib.errors import ModelError

if TYPE_CHECKING:
    import torch

ARCHITECTURES = ("unet", "unetr", "swinunetr")
WINDOW = 96
# finished cells of studies are found by these names
_STORED_AS = {"feature_maps": "base", "full_resolution_divisor": "thin"}


@dataclass(frozen=True)
class Architecture:
    """What is needed to rebuild a network.

    Attributes:
        kind: ``unet`` (MONAI DynUNet), ``unetr`` or ``swinunetr``.
        levels: number of down-sampling steps of the U-Net: 3, 4 or 5.
        feature_maps: of the U-Net at full resolution, before they are divided; they double at each level, up to 16
            times as many. Feature size of the transformers.
        full_resolution_divisor: the U-Net keeps so many times fewer maps at full resolution, where most of the time
            is spent.
        in_channels: input volumes.
        out_channels: output maps (1: one logit for lesion).
        patch: edge of the cubic input that a transformer is built for, in voxels (UNETR only).
        hidden, heads: length of a token and number of attention heads (UNETR only; ViT-B has 768 and 12).
    """

    kind: str = "unet"
    levels: int = 4
    feature_maps: int = 16
    full_resolution_divisor: int = 1
    in_channels: int = 1
    out_channels: int = 1
    patch: int = 96
    hidden: int = 768
    heads: int = 12

    def as_dict(self) -> dict[str, Any]:
        """JSON types, as model cards and the cells of studies store it."""
        return {_STORED_AS.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Architecture:
        """What :meth:`as_dict` gave; earlier versions stored fewer fields.

        Raises:
            TypeError: an unknown field.
        """
        names = {stored_as: name for name, stored_as in _STORED_AS.items()}
        return cls(**{names.get(name, name): value for name, value in stored.items()})

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
            feature_size=a.feature_maps,
            hidden_size=a.hidden,
            mlp_dim=4 * a.hidden,
            num_heads=a.heads,
            norm_name="instance",
        )
    if a.kind == "swinunetr":
        from monai.networks.nets import SwinUNETR

        # feature_size must be divisible by 12: three heads of the first stage, windows of four
        return SwinUNETR(
            in_channels=a.in_channels,
            out_channels=a.out_channels,
            feature_size=max(12, a.feature_maps // 12 * 12),
        )
    raise ModelError(f"Unknown network kind '{a.kind}'. Known kinds: {', '.join(ARCHITECTURES)}.")


def _unet(a: Architecture) -> torch.nn.Module:
    from monai.networks.nets import DynUNet

    if a.levels not in (3, 4, 5):
        raise ModelError(f"A U-Net has 3, 4 or 5 levels, not {a.levels}.")
    maps, divisor = a.feature_maps, a.full_resolution_divisor
    if divisor < 1 or maps % divisor:
        raise ModelError(
            f"A U-Net with {maps} feature maps cannot be {divisor} times thinner at full resolution."
        )
    filters = [maps * min(2**level, 16) for level in range(a.levels + 1)]
    filters[0] //= divisor
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
