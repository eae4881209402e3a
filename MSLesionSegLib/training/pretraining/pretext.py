"""Pretext tasks: what an encoder can learn from scans without masks.

Masked autoencoding for the ViT encoder of a UNETR (He et al. 2022), and masked inpainting with optional rotation
prediction and contrastive coding for a Swin transformer (Tang et al. 2022), as in "Pretrain once and finetune many
times". The same inpainting serves the encoder of the U-Net. Only the encoder learns; the decoder that fine-tuning
needs stays as it was built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.freezing import encoder_levels

if TYPE_CHECKING:
    from monai.networks.nets import UNETR, SwinUNETR

UNETR_ALONE = "Rotation and contrastive coding go with a U-Net or a Swin UNETR, not with a UNETR."


def masked_autoencoder(network: UNETR, architecture: Architecture, masked: float) -> nn.Module:
    """MONAI's masked autoencoder around the ViT of a UNETR: weights are shared, so training it trains the UNETR.

    Args:
        network: a UNETR. architecture: its own. masked: share of the blocks of 16 voxels that are hidden.
    """
    from monai.networks.nets import MaskedAutoEncoderViT

    hidden = architecture.hidden
    decoder = max(hidden // 2 // architecture.heads, 1) * architecture.heads
    autoencoder = MaskedAutoEncoderViT(
        in_channels=architecture.in_channels,
        img_size=architecture.patch,
        patch_size=16,
        hidden_size=hidden,
        mlp_dim=4 * hidden,
        num_heads=architecture.heads,
        masking_ratio=masked,
        decoder_hidden_size=decoder,
        decoder_mlp_dim=4 * decoder,
        decoder_num_layers=4,
        decoder_num_heads=architecture.heads,
        pos_embed_type="learnable",
        decoder_pos_embed_type="learnable",
    )
    autoencoder.patch_embedding = network.vit.patch_embedding
    autoencoder.blocks = nn.Sequential(*network.vit.blocks, network.vit.norm)
    return autoencoder


class BlockReconstruction(nn.Module):
    """Masked autoencoding: mean squared error of the blocks that the encoder did not see."""

    def __init__(self, network: UNETR, architecture: Architecture, masked: float) -> None:
        super().__init__()
        self.autoencoder = masked_autoencoder(network, architecture, masked)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Loss by name for images (N, C, p, p, p)."""
        with torch.autocast(image.device.type, enabled=False):  # MONAI mixes its tokens in float32
            guess, hidden = self.autoencoder(image)
        truth = rearrange(image, "n c (x p) (y q) (z r) -> n (x y z) (p q r c)", p=16, q=16, r=16)
        error = (guess - truth).square().mean(-1)
        return {"reconstruction": (error * hidden).sum() / hidden.sum()}


class Inpainting(nn.Module):
    """Masked inpainting from the deepest features, and what may be added to it.

    Args:
        network: a U-Net or a Swin UNETR; its encoder is trained in place.
        architecture: its own.
        masked: share of the cubes of ``cube`` voxels per edge that are set to 0.
        rotation: also tell by how many quarter turns around the third axis a patch was turned.
        contrastive: also make two differently masked views of a patch more alike than those of other patches.
    """

    def __init__(
        self,
        network: nn.Module,
        architecture: Architecture,
        masked: float,
        cube: int,
        rotation: bool,
        contrastive: bool,
    ) -> None:
        super().__init__()
        self.network = network
        self.masked, self.cube = masked, cube
        self.factor = architecture.multiple
        self.channels = architecture.in_channels
        deepest = deepest_channels(network, architecture)
        self.paint = nn.Sequential(
            nn.Conv3d(deepest, 64, 1), nn.GELU(), nn.Conv3d(64, self.channels * self.factor**3, 1)
        )
        self.turns = nn.Linear(deepest, 4) if rotation else None
        self.code = nn.Linear(deepest, 64) if contrastive else None

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Losses by name for images (N, C, p, p, p); their sum is trained on."""
        turns = torch.randint(0, 4 if self.turns else 1, (len(image),))
        image = torch.stack([torch.rot90(one, int(k), (1, 2)) for one, k in zip(image, turns, strict=True)])
        hidden = self._hide(image)
        deep = deepest_features(self.network, image * ~hidden)
        painted = rearrange(
            self.paint(deep),
            "n (c p q r) x y z -> n c (x p) (y q) (z r)",
            c=self.channels,
            p=self.factor,
            q=self.factor,
            r=self.factor,
        )
        error = (painted.float() - image).square() * hidden
        losses = {"reconstruction": error.sum() / (hidden.sum() * self.channels).clamp(min=1)}
        pooled = deep.float().mean((2, 3, 4))
        if self.turns is not None:
            losses["rotation"] = F.cross_entropy(self.turns(pooled), turns.to(image.device))
        if self.code is not None:
            from monai.losses import ContrastiveLoss

            other = deepest_features(self.network, image * ~self._hide(image)).float().mean((2, 3, 4))
            losses["contrastive"] = ContrastiveLoss()(self.code(pooled), self.code(other))
        return losses

    def _hide(self, image: torch.Tensor) -> torch.Tensor:
        """Random cubes, bool (N, 1, X, Y, Z)."""
        edges = [-(-n // self.cube) for n in image.shape[2:]]
        cubes = (torch.rand(len(image), 1, *edges) < self.masked).float().to(image.device)
        return F.interpolate(cubes, size=image.shape[2:], mode="nearest") > 0.5


def deepest_features(network: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Output of the encoder's last level, (N, channels, x, y, z)."""
    if hasattr(network, "swinViT"):
        swin = cast("SwinUNETR", network)
        return swin.swinViT(image, swin.normalize)[-1]
    for level in encoder_levels(network):
        image = level(image)
    return image


def deepest_channels(network: nn.Module, architecture: Architecture) -> int:
    """Channels of :func:`deepest_features`."""
    edge = 2 * architecture.multiple  # instance normalisation needs more than one voxel
    with torch.no_grad():
        return deepest_features(network, torch.zeros(1, architecture.in_channels, edge, edge, edge)).shape[1]


def build_pretext(
    network: nn.Module,
    architecture: Architecture,
    *,
    masked: float,
    cube: int,
    rotation: bool,
    contrastive: bool,
) -> nn.Module:
    """The pretext task that fits an architecture.

    Raises:
        SettingsError: rotation or contrastive coding for a UNETR, whose pretext is masked autoencoding alone.
    """
    if architecture.kind != "unetr":
        return Inpainting(network, architecture, masked, cube, rotation, contrastive)
    if rotation or contrastive:
        raise SettingsError(UNETR_ALONE)
    return BlockReconstruction(cast("UNETR", network), architecture, masked)
