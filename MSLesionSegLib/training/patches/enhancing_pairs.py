"""What is done to a patch of a T1 pair: foci, vessels and decoys, and the small differences between two scans."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from MSLesionSegLib.synthesis.gadolinium_enhancement import insert_decoys, insert_foci, insert_vessels
from MSLesionSegLib.training.patches.patches import Insertion

MOST_FOCI = 5
MISALIGNMENT_MM = 0.7  # largest shift along each axis that is left after a rigid registration
MISALIGNMENT_DEGREES = 1.0


def enhancing_insertion(other_pathology: float) -> Insertion:
    """Return what puts enhancing foci into patches of (pre, post), normal enhancement and decoys besides.

    Args:
        other_pathology: part of the patches whose foci are metastasis-like; those of the rest are MS-like.
    """

    def insert(
        picture: torch.Tensor, target: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        pre, post = picture.cpu().numpy()
        if rng.random() < 0.3:
            pre, post = insert_decoys(pre, post, int(rng.integers(1, 5)), rng)
        disease = "metastasis" if rng.random() < other_pathology else "ms"
        count = int(rng.integers(0, MOST_FOCI + 1))
        pre, post, mask = insert_foci(pre, post, target[0].cpu().numpy(), count, rng, disease)
        if rng.random() < 0.5:
            post = insert_vessels(post, (post != 0) & (mask < 0.05), int(rng.integers(1, 8)), rng)
        pair = torch.from_numpy(np.stack([pre, post]).astype(np.float32))
        return unlike(pair, rng), torch.from_numpy(mask)[None]  # come to a card by being put in

    return insert


def unlike(pair: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Two scans of a pair (2, X, Y, Z) never fit quite: the first is shifted, turned, scaled and gets noise."""
    pre = pair[:1]
    inside = pre != 0
    if rng.random() < 0.5:
        pre = _moved(pre, rng)
    pre = pre * float(np.exp(rng.uniform(-0.15, 0.15))) + float(rng.uniform(-0.15, 0.15))
    if rng.random() < 0.5:
        noise = torch.from_numpy(rng.standard_normal(pre.shape, dtype=np.float32))
        pre = pre + noise * float(rng.uniform(0, 0.2))
    return torch.cat([torch.where(inside, pre, torch.zeros_like(pre)), pair[1:]])


def _moved(volume: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    a, b, c = np.deg2rad(rng.uniform(-MISALIGNMENT_DEGREES, MISALIGNMENT_DEGREES, 3))
    turn = np.eye(3) + np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])  # small angles
    shift = rng.uniform(-MISALIGNMENT_MM, MISALIGNMENT_MM, 3) * 2 / np.array(volume.shape[:0:-1])
    theta = torch.from_numpy(np.concatenate([turn, shift[:, None]], axis=1)[None].astype(np.float32))
    grid = F.affine_grid(theta, [1, *volume.shape], align_corners=False)
    return F.grid_sample(volume[None], grid, padding_mode="border", align_corners=False)[0]
