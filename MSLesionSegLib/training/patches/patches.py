"""Drawing patches from examples: place, deformation, lesion insertion and intensity changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from MSLesionSegLib.synthesis.lesions import PATHOLOGIES, Shape, draw_lesions
from MSLesionSegLib.training.examples.example import Example
from MSLesionSegLib.training.examples.resident_volumes import ResidentVolumes, Volume
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.patches.elastic_deformation import deformation_nodes, from_nodes, sampling_grid

UNDEFORMED_SHARE = (
    0.35  # part that is not turned or bent: interpolation blurs, and sharp scans must be seen sharp
)
SHARPNESS = 0.4  # chance of blurring, and of sharpening what is not blurred
T = TypeVar("T")
Insertion = Callable[[torch.Tensor, torch.Tensor, np.random.Generator], "tuple[torch.Tensor, torch.Tensor]"]
OFFSET = 4.0  # z-scores above -4 become positive, so that gamma and bias act as they do on raw intensities


class PatchSource:
    """Draws the batch of any step; the same step gives the same batch.

    Args:
        examples: prepared scans; heavier ones are drawn more often.
        recipe: patch size and strengths.
        shapes: real lesion shapes for insertion; the built-in shape model when None.
        insert: puts synthetic lesions into (picture, target) from a source of chance; FLAIR lesions when None.
        device: ``cpu`` or ``cuda``: where patches are cut and changed, and come out. A card changes all of a step
            at once, a processor one after the other: drawn in another order, and the card's noise is its own.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        recipe: TrainingRecipe,
        shapes: Shape | None = None,
        insert: Insertion | None = None,
        device: str = "cpu",
    ) -> None:
        self.examples = list(examples)
        self.recipe = recipe
        self.shapes = shapes
        self.insert = insert or self._insert
        self.volumes = ResidentVolumes(device)
        self.at_once = 1 if device == "cpu" else recipe.batch
        weights = np.array([example.weight for example in examples], dtype=np.float64)
        self.chances = weights / weights.sum()

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (N, C, p, p, p) float32 and soft labels (N, 1, p, p, p) in [0, 1] of one step."""
        rng = np.random.default_rng([self.recipe.seed, step])
        return self.drawn_in_groups(self._drawn, [rng] * self.recipe.batch)

    def drawn_in_groups(
        self, draw: Callable[[Sequence[T]], tuple[torch.Tensor, torch.Tensor]], wanted: Sequence[T]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Images and labels of all that is wanted, drawn as many at once as the device likes."""
        starts = range(0, len(wanted), self.at_once)
        images, labels = zip(*(draw(wanted[k : k + self.at_once]) for k in starts), strict=True)
        return torch.cat(images), torch.cat(labels)

    def _drawn(self, rngs: Sequence[np.random.Generator]) -> tuple[torch.Tensor, torch.Tensor]:
        examples = [self.examples[rng.choice(len(self.examples), p=self.chances)] for rng in rngs]
        return self.patches(examples, rngs)

    def patches(
        self, examples: Sequence[Example], rngs: Sequence[np.random.Generator]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """An augmented patch of each example: images (N, C, p, p, p) and soft labels (N, 1, p, p, p)."""
        recipe = self.recipe
        centres = [self.centre(e, e.array("label"), rng) for e, rng in zip(examples, rngs, strict=True)]
        volumes = [self.volumes.of(example) for example in examples]
        stacks = cut_patches(volumes, centres, recipe, rngs, self.volumes.device)
        for stack, rng in zip(stacks, rngs, strict=True):
            if rng.random() < recipe.insertion:
                stack[:-1], stack[-1:] = self.insert(stack[:-1], stack[-1:], rng)
            if recipe.thick_slices and rng.random() < recipe.thick_slices:
                stack[:] = thick_slices(stack, rng)
        pictures = change_intensity(stacks[:, :-1], rngs, recipe.intensity, recipe.widest_blur)
        return pictures, stacks[:, -1:]

    def centre(self, example: Example, label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The voxel that a patch is centred on."""
        places = patch_places(example, self.recipe, rng)
        return near(places[rng.integers(len(places))], label.shape, self.recipe.patch, rng)

    def _insert(
        self, picture: torch.Tensor, target: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        flair = picture[0]
        allowed = ((flair > -0.8) & (flair < 1.2) & (flair != 0) & (target[0] < 0.05)).cpu().numpy()
        if allowed.sum() < 1000:
            return picture, target
        other = self.recipe.other_pathology
        chances = [1 - other, 0.8 * other, 0.17 * other, 0.03 * other]
        kind = str(rng.choice(list(PATHOLOGIES), p=chances))
        shapes = self.shapes if kind == "ms" and rng.random() < 0.7 else None
        for place, *lesion in draw_lesions(allowed, int(rng.integers(1, 7)), rng, kind, shapes):
            soft, added = torch.from_numpy(np.stack(lesion)).to(picture.device)
            flair[place].add_(added)
            torch.maximum(target[0][place], soft, out=target[0][place])
        return picture, target


def patch_places(example: Example, recipe: TrainingRecipe, rng: np.random.Generator) -> np.ndarray:
    """Flat indices of the voxels that this patch may be centred on."""
    for name, share in (("lesion_index", recipe.lesion_share), ("focus_index", recipe.focus_share)):
        if rng.random() < share:
            places = example.array(name)
            if len(places):
                if (
                    name == "lesion_index"
                    and recipe.lesion_by_lesion
                    and rng.random() < recipe.lesion_by_lesion
                ):
                    return one_lesion(example, rng)
                return places
    return example.array("brain_index")


def one_lesion(example: Example, rng: np.random.Generator) -> np.ndarray:
    """Flat indices of the voxels of one lesion, each of which is as likely as any other, however small."""
    numbers = _lesion_numbers(example)
    return example.array("lesion_index")[numbers == rng.choice(np.unique(numbers))]


@lru_cache(maxsize=512)
def _lesion_numbers(example: Example) -> np.ndarray:
    """The lesion, from 1 on, that each voxel of ``lesion_index`` belongs to."""
    lesions = example.array("label") > 127
    return ndimage.label(lesions, np.ones((3, 3, 3)))[0].ravel()[example.array("lesion_index")]


def near(place: int, shape: tuple[int, ...], patch: int, rng: np.random.Generator) -> np.ndarray:
    """A voxel within a quarter of a patch around a flat index."""
    return np.array(np.unravel_index(place, shape)) + rng.integers(-patch // 4, patch // 4 + 1, 3)


def cut_patches(
    volumes: Sequence[tuple[Iterable[Volume], Volume]],
    centres: Sequence[np.ndarray],
    recipe: TrainingRecipe,
    rngs: Sequence[np.random.Generator],
    device: str = "cpu",
) -> torch.Tensor:
    """Patches (N, C + 1, p, p, p) around centres of (image channels, label), turned, scaled, bent and mirrored."""
    size = recipe.patch
    drawn = [_draw_geometry(recipe, rng) for rng in rngs]
    bent = [n for n, (nodes, _) in enumerate(drawn) if nodes is not None]
    straight = [n for n, (nodes, _) in enumerate(drawn) if nodes is None]

    def blocks(which: list[int], half: int) -> torch.Tensor:
        return _blocks([volumes[n] for n in which], [centres[n] for n in which], half, device)

    patches: dict[int, torch.Tensor] = {}
    if straight:
        patches |= zip(straight, blocks(straight, size // 2), strict=True)
    if bent:
        nodes = torch.stack([nodes for nodes, _ in drawn if nodes is not None]).to(device)
        around = blocks(bent, _half(size))
        patches |= zip(
            bent, F.grid_sample(around, sampling_grid(nodes, size), align_corners=False), strict=True
        )
    mirrored = [torch.flip(patches[n], axes) if axes else patches[n] for n, (_, axes) in enumerate(drawn)]
    return torch.stack(mirrored)


def _blocks(
    volumes: Sequence[tuple[Iterable[Volume], Volume]],
    centres: Sequence[np.ndarray],
    half: int,
    device: str,
) -> torch.Tensor:
    """Cubes around centres, float32 (N, C + 1, 2 half, 2 half, 2 half), 0 outside the volumes."""
    channels = [[*image, label] for image, label in volumes]
    shape = (len(channels), len(channels[0]), *(2 * half,) * 3)
    # on a CPU numpy's zeros are cheaper than torch's: filled when they are written to
    zeros = (
        torch.from_numpy(np.zeros(shape, np.float32))
        if device == "cpu"
        else torch.zeros(shape, device=device)
    )
    for block, stack, centre in zip(zeros, channels, centres, strict=True):
        start = centre - half
        source = tuple(
            slice(max(s, 0), max(min(s + 2 * half, n), 0)) for s, n in zip(start, stack[0].shape, strict=True)
        )
        if any(part.stop <= part.start for part in source):
            continue
        target = tuple(slice(p.start - s, p.stop - s) for p, s in zip(source, start, strict=True))
        for cube, volume in zip(block, stack, strict=True):
            part = volume[source]
            cube[target] = part if isinstance(part, torch.Tensor) else torch.from_numpy(np.array(part))
    zeros[:, -1] /= 255.0
    return zeros


def _half(size: int) -> int:
    """Half the edge of what a bent patch is looked up in."""
    return int(size * 0.72)


def _draw_geometry(recipe: TrainingRecipe, rng: np.random.Generator) -> tuple[torch.Tensor | None, list[int]]:
    """Nodes of the deformation, None for none, and the axes that are mirrored."""
    from monai.transforms.utils import create_rotate

    nodes, size, strength = None, recipe.patch, recipe.geometry
    if strength > 0 and rng.random() >= UNDEFORMED_SHARE:
        block = 2 * _half(size)
        angles = np.deg2rad(rng.uniform(-20, 20, 3) * strength)
        signs = (1, -1, 1)  # so that a seed turns as ever
        turn = create_rotate(3, (angles * signs).tolist())[:3, :3]
        scale = np.exp(rng.uniform(-0.15, 0.15, 3) * strength)
        bend = rng.normal(0, 1, (3, 5, 5, 5)) * (2.0 * strength * 2 / block)
        nodes = deformation_nodes(turn * scale * (size / block), np.zeros(3), bend, size)
    return nodes, [axis + 1 for axis in range(3) if rng.random() < 0.5]


def thick_slices(stack: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Average over 2 to 7 mm along one axis (mostly head-foot) and interpolate back, as reading such a scan does.

    ``stack`` (C + 1, X, Y, Z) holds image channels and label.
    """
    thickness = int(rng.integers(2, 8))
    axis = int(rng.choice(3, p=[0.15, 0.15, 0.7]))
    size = stack.shape[1:]
    kernel = [1, 1, 1]
    kernel[axis] = thickness
    coarse = F.avg_pool3d(stack[None], kernel, ceil_mode=True, count_include_pad=False)
    # the last, partial slice keeps its thickness only if the interpolation covers what it covered
    full = list(size)
    full[axis] = coarse.shape[2 + axis] * thickness
    fine = F.interpolate(coarse, size=full, mode="trilinear", align_corners=False)[0]
    fine = fine[:, : size[0], : size[1], : size[2]]
    fine[:-1].masked_fill_((stack[:-1] == 0).all(0, keepdim=True), 0.0)
    return fine


@dataclass(frozen=True)
class _Look:
    """How the intensities of one patch are changed: what is None is left out."""

    gamma: float
    field: np.ndarray | None
    blur: float | None
    sharpen: float | None
    scale: float
    shift: float
    sigma: float
    noise: torch.Tensor | None


def _draw_look(picture: torch.Tensor, rng: np.random.Generator, strength: float, widest_blur: float) -> _Look:
    gamma = np.exp(rng.uniform(-0.3, 0.3) * strength)
    field = rng.normal(0, 1, (1, 3, 3, 3)) if rng.random() < 0.5 else None
    blur = sharpen = None
    if rng.random() < SHARPNESS:
        blur = rng.uniform(0.4, widest_blur)
    elif rng.random() < SHARPNESS:
        sharpen = rng.uniform(0.2, 1.2)
    scale, shift = np.exp(rng.uniform(-0.25, 0.25) * strength), rng.uniform(-0.3, 0.3) * strength
    noisy = rng.random() < 0.5
    sigma = rng.uniform(0, 0.25) * strength if noisy else 0.0
    noise = normal_noise(picture, rng) if noisy else None
    return _Look(gamma, field, blur, sharpen, scale, shift, sigma, noise)


def change_intensity(
    pictures: torch.Tensor,
    rngs: Sequence[np.random.Generator],
    strength: float,
    widest_blur: float = TrainingRecipe.widest_blur,
) -> torch.Tensor:
    """Contrast, bias field, sharpness and noise of z-scored patches (N, C, X, Y, Z).

    Blur has a standard deviation of up to ``widest_blur`` voxels. Voxels outside the brain (exactly 0) stay 0.
    """
    if strength == 0:
        return pictures
    looks = [
        _draw_look(picture, rng, strength, widest_blur) for picture, rng in zip(pictures, rngs, strict=True)
    ]

    def each(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=pictures.device).view(-1, 1, 1, 1, 1)

    raw = (pictures + OFFSET).clamp(min=0.05) / OFFSET
    raw = raw ** each([look.gamma for look in looks])
    if any(look.field is not None for look in looks):
        fields = np.stack([np.zeros((1, 3, 3, 3)) if look.field is None else look.field for look in looks])
        nodes = torch.from_numpy(fields.astype(np.float32)).to(pictures.device)
        raw = raw * torch.exp(0.05 * strength * from_nodes(nodes, pictures.shape[2:]))
    out = (raw - 1) * OFFSET
    blurred = {n: look.blur for n, look in enumerate(looks) if look.blur}
    if blurred:
        out[list(blurred)] = blur(out[list(blurred)], list(blurred.values()))
    sharpened = {n: look.sharpen for n, look in enumerate(looks) if look.sharpen}
    if sharpened:
        plain = out[list(sharpened)]
        detail = plain - blur(plain, [0.8] * len(sharpened))
        out[list(sharpened)] = plain + each(list(sharpened.values())) * detail
    out = out * each([look.scale for look in looks]) + each([look.shift for look in looks])
    for picture, look in zip(out, looks, strict=True):
        if look.noise is not None:
            picture += look.noise * look.sigma
    return torch.where(pictures != 0, out, 0.0)


def normal_noise(picture: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Standard normal numbers in the shape of a picture; a GPU draws its own, seeded from ``rng``."""
    if picture.device.type == "cpu":
        return torch.from_numpy(rng.standard_normal(picture.shape, dtype=np.float32))
    chance = torch.Generator(picture.device).manual_seed(int(rng.integers(2**63)))
    return torch.randn(picture.shape, generator=chance, device=picture.device)


def blur(pictures: torch.Tensor, sigmas: Sequence[float]) -> torch.Tensor:
    """Smooth each picture (N, C, X, Y, Z) by a Gaussian of its own, cut off at two voxels or at 1.5 deviations.

    MONAI's ``separable_filtering``, which has one filter for all of them.
    """
    channels, reach = pictures.shape[1], max(2, math.ceil(1.5 * max(sigmas)))
    squares = torch.tensor([2 * sigma**2 for sigma in sigmas])[:, None]
    lines = torch.exp(-(torch.arange(-reach, reach + 1, dtype=torch.float32) ** 2) / squares)
    lines = (lines / lines.sum(1, keepdim=True)).repeat_interleave(channels, 0).to(pictures.device)
    maps = F.pad(pictures.flatten(0, 1)[None], [reach] * 6)
    for shape in ((1, -1, 1, 1), (1, 1, -1, 1), (1, 1, 1, -1)):
        maps = F.conv3d(maps, lines.reshape(len(lines), *shape), groups=len(lines))
    return maps[0].unflatten(0, (-1, channels))
