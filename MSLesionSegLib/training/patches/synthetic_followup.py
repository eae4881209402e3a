"""Synthetic follow-ups: patches of a baseline and a follow-up of one patient, with lesions that changed in between.

Each pair comes from one real scan and its twin without lesions. What real lesions add to the twin, and inserted ones,
is present before, after or both times. Then each side is acquired anew: slices, position, drift and noise differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from MSLesionSegLib.imaging.normalization import tissue_scale
from MSLesionSegLib.synthesis.lesions import PATHOLOGIES, Shape, insert_lesions
from MSLesionSegLib.training.examples.example import Example
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.patches.elastic_deformation import deformation_nodes, from_nodes, sampling_grid
from MSLesionSegLib.training.patches.patches import OFFSET, blur, cut_patches, near, patch_places

CHANNELS = ("subtraction", "baseline", "follow-up")
# how often a lesion is new, enlarged, shrunken, vanished or stable
_REAL = (0.25, 0.1, 0.1, 0.15, 0.4)
_INSERTED = (0.5, 0.15, 0.1, 0.15, 0.1)
_UNCHANGED_PATCHES = 0.15
_LARGE_MISTAKE = 0.15  # chance that registration went wrong by thrice the usual amount


@dataclass(frozen=True)
class Host:
    """A scan and its twin without lesions, on one grid; the same example twice where it has none."""

    scan: Example
    twin: Example


@dataclass
class _Pair:
    """Both sides of a patch, changed in place: intensities and soft lesion masks (p, p, p)."""

    before: np.ndarray
    after: np.ndarray
    mask_before: np.ndarray
    mask_after: np.ndarray

    def add(self, state: int, extra: np.ndarray, mask: np.ndarray, core: np.ndarray) -> None:
        """Put a lesion in: ``extra`` intensity and ``mask``; ``core`` is the part that it had when it was smaller."""
        full, none = np.float32(1), np.float32(0)
        early, late = ((none, full), (core, full), (full, core), (full, none), (full, full))[state]
        self.before += extra * early
        self.after += extra * late
        self.mask_before = np.maximum(self.mask_before, mask * early)
        self.mask_after = np.maximum(self.mask_after, mask * late)


class PairSource:
    """Draws batches of changed and unchanged pairs; the same step gives the same batch.

    Args:
        hosts: scans with their twins; those with a heavier scan are drawn more often.
        recipe: patch size and strengths. ``insertion`` is the chance of inserted lesions in a patch,
            ``other_pathology`` the part of them that is no MS, ``intensity`` the strength of drift and noise
            between the two sides.
        channels: of :data:`CHANNELS`, in the order of the network's input.
        shapes: real lesion shapes for insertion; the built-in shape model when None.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        recipe: TrainingRecipe,
        channels: Sequence[str] = ("subtraction",),
        shapes: Shape | None = None,
    ) -> None:
        self.hosts = list(hosts)
        self.examples = [example for host in hosts for example in (host.scan, host.twin)]
        self.recipe = recipe
        self.channels = tuple(channels)
        self.shapes = shapes
        weights = np.array([host.scan.weight for host in hosts], dtype=np.float64)
        self.chances = weights / weights.sum()
        self._scales = [_scale(host) for host in hosts]

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (N, C, p, p, p) float32 and soft labels (N, 1, p, p, p) in [0, 1] of what is new or grew."""
        rng = np.random.default_rng([self.recipe.seed, step])
        images, labels = zip(*(self._patch(rng) for _ in range(self.recipe.batch)), strict=True)
        return torch.stack(images), torch.stack(labels)

    def _patch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        k = rng.choice(len(self.hosts), p=self.chances)
        host, (slope, shift, to_twin) = self.hosts[k], self._scales[k]
        label = host.scan.array("label")
        places = patch_places(host.scan, self.recipe, rng)
        centre = near(places[rng.integers(len(places))], label.shape, self.recipe.patch, rng)
        volumes = (host.scan.array("image")[0], host.twin.array("image")[0])
        scan, twin, lesions = cut_patches([(volumes, label)], [centre], self.recipe, [rng])[0].numpy()
        inside = (scan != 0) & (twin != 0)
        scan, twin = scan * slope + shift, (twin * to_twin[0] + to_twin[1]) * slope + shift
        pair = _Pair(twin.copy(), twin.copy(), *(np.zeros(twin.shape, np.float32) for _ in range(2)))
        unchanged = rng.random() < _UNCHANGED_PATCHES
        _keep_or_change(pair, scan - twin, lesions, unchanged, rng)
        if rng.random() < self.recipe.insertion:
            self._insert(pair, inside, unchanged, rng)
        grown = np.clip(pair.mask_after - pair.mask_before, 0, 1) * inside
        sides, target = acquire_pair(pair.before, pair.after, grown, inside, self.recipe, rng)
        before, after = (torch.where(torch.from_numpy(inside), side, 0.0) for side in sides)
        known = {"subtraction": after - before, "baseline": before, "follow-up": after}
        return torch.stack([known[name] for name in self.channels]), target[None]

    def _insert(self, pair: _Pair, inside: np.ndarray, unchanged: bool, rng: np.random.Generator) -> None:
        known = np.maximum(pair.mask_before, pair.mask_after)
        allowed = (pair.before > -1.2) & (pair.before < 1.5) & inside & (known < 0.05)
        if allowed.sum() < 1000:
            return
        other = self.recipe.other_pathology
        chances = [1 - other, 0.6 * other, 0.3 * other, 0.1 * other]
        for _ in range(int(rng.integers(1, 5))):
            kind = str(rng.choice(list(PATHOLOGIES), p=chances))
            shapes = self.shapes if kind == "ms" and rng.random() < 0.7 else None
            nothing = np.zeros(pair.before.shape, np.float32)
            extra, mask = insert_lesions(
                nothing, nothing, allowed.astype(np.float32), 1, rng, kind, shapes, unit=rng.uniform(0.6, 1.2)
            )
            state = 4 if unchanged else int(rng.choice(5, p=_INSERTED))
            pair.add(state, extra, mask, _core(mask, rng))


def _keep_or_change(
    pair: _Pair, extra: np.ndarray, lesions: np.ndarray, unchanged: bool, rng: np.random.Generator
) -> None:
    """Give each real lesion of the patch a fate."""
    labels, count = ndimage.label(lesions > 0.3, np.ones((3, 3, 3)))
    if not count:
        pair.before += extra
        pair.after += extra
        return
    # what a lesion adds reaches beyond its mask: each voxel belongs to the nearest lesion
    nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    owner = labels[tuple(nearest)]
    core = _core(lesions, rng)
    for lesion in range(1, count + 1):
        own = owner == lesion
        state = 4 if unchanged else int(rng.choice(5, p=_REAL))
        pair.add(state, extra * own, lesions * own, core)


def _core(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smaller version of soft lesions, in [0, 1]."""
    depth = ndimage.distance_transform_edt(mask > 0.5)
    smaller = depth > max(1.0, rng.uniform(0.2, 0.6) * float(depth.max()))
    return ndimage.gaussian_filter(smaller.astype(np.float32), 0.7)


def acquire_pair(
    before: np.ndarray,
    after: np.ndarray,
    grown: np.ndarray,
    inside: np.ndarray,
    recipe: TrainingRecipe,
    rng: np.random.Generator,
) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Scan both sides: thick slices, another position, another drift and noise.

    Args:
        before, after: z-scores (p, p, p); grown: soft mask of what is new; inside: brain.

    Returns:
        Both sides and the mask as tensors (p, p, p).
    """
    volumes = torch.from_numpy(np.stack([before, after, grown]).astype(np.float32))
    strength = recipe.intensity
    noise = [rng.uniform(0, 0.25) * strength for _ in range(2)]
    for side in range(2):  # half of the noise belongs to the slices, half is that of thin ones
        volumes[side] += _normal(volumes[side].shape, rng) * noise[side]
    if rng.random() < recipe.thick_slices:
        axis, thickness = int(rng.choice(3, p=[0.15, 0.15, 0.7])), int(rng.integers(2, 7))
        first, second = (int(p) for p in rng.integers(0, thickness, 2))
        early = slices(volumes[:1], axis, thickness, first)
        volumes = torch.cat([early, slices(volumes[1:], axis, thickness, second)])
    sharper = rng.random(2)
    for side in range(2):
        if sharper[side] < 0.3:
            volumes[side] = blur(volumes[None, side : side + 1], [rng.uniform(0.3, 0.8)])[0, 0]
        volumes[side] += _normal(volumes[side].shape, rng) * noise[side] * 0.5
    volumes[1] = _moved(volumes[1], rng)
    volumes[1] = _drifted(volumes[1], torch.from_numpy(inside), strength, rng)
    return (volumes[0], volumes[1]), volumes[2].clamp(0, 1)


def slices(volumes: torch.Tensor, axis: int, thickness: int, phase: int) -> torch.Tensor:
    """Average volumes (N, X, Y, Z) over slices of ``thickness`` voxels, the first cut by ``phase``; resample."""
    size = list(volumes.shape[1:])
    padding = [0] * 6
    padding[2 * (2 - axis)] = phase
    padding[2 * (2 - axis) + 1] = -(size[axis] + phase) % thickness
    padded = F.pad(volumes[None], padding, mode="replicate")
    kernel = [1, 1, 1]
    kernel[axis] = thickness
    coarse = F.avg_pool3d(padded, kernel)
    fine = F.interpolate(coarse, size=padded.shape[2:], mode="trilinear", align_corners=False)[0]
    return fine.narrow(axis + 1, phase, size[axis])


def _moved(volume: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """The volume as a slightly wrong registration puts it: about 0.4 mm and 0.4 degrees off, a little bent."""
    size = volume.shape[0]
    amount = 3.0 if rng.random() < _LARGE_MISTAKE else 1.0
    a, b, c = np.deg2rad(rng.normal(0, 0.4 * amount, 3))
    turn = np.array([[1, -c, b], [c, 1, -a], [-b, a, 1]])
    shift = rng.normal(0, 0.35 * amount, 3) * 2 / size
    nodes = deformation_nodes(turn, shift, rng.normal(0, 0.3 * 2 / size, (3, 5, 5, 5)), size)
    grid = sampling_grid(nodes[None], size)
    return F.grid_sample(volume[None, None], grid, padding_mode="border", align_corners=False)[0, 0]


def _drifted(
    volume: torch.Tensor, inside: torch.Tensor, strength: float, rng: np.random.Generator
) -> torch.Tensor:
    """Another gain, coil and contrast than at baseline, as far as intensity matching leaves them behind."""
    raw = (volume + OFFSET).clamp(min=0.05) / OFFSET
    coarse = torch.from_numpy(rng.normal(0, 1, (1, 1, 3, 3, 3)).astype(np.float32))
    field = from_nodes(coarse, volume.shape)[0, 0]
    raw = raw ** float(np.exp(rng.normal(0, 0.06) * strength)) * torch.exp(0.025 * strength * field)
    out = (raw - 1) * OFFSET
    return out * float(np.exp(rng.normal(0, 0.06) * strength)) + float(rng.normal(0, 0.06) * strength)


def _normal(shape: torch.Size, rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))


def _scale(host: Host) -> tuple[float, float, tuple[float, float]]:
    """How a scan's z-scores become those of its tissue, and how its twin's z-scores become the scan's."""
    brain = host.scan.array("brain") > 0
    step = max(1, int(brain.sum()) // 100_000)
    scan, twin = (e.array("image")[0][brain].astype(np.float32)[::step] for e in (host.scan, host.twin))
    use = np.ones(scan.shape, bool)
    for _ in range(3):  # lesions, where both differ, fall out
        gain, shift = np.polyfit(twin[use], scan[use], 1)
        residual = np.abs(gain * twin + shift - scan)
        use = residual <= np.median(residual) * 3 + 1e-3
    mean, deviation = tissue_scale(scan)
    return 1 / deviation, -mean / deviation, (float(gain), float(shift))
