"""Drawing patches from examples: place, deformation, lesion insertion and intensity changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from MSLesionSegLib.synthesis.lesions import PATHOLOGIES, Shape, insert_lesions
from MSLesionSegLib.training.examples.example import Example
from MSLesionSegLib.training.examples.resident_volumes import ResidentVolumes, Volume
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.patches.elastic_deformation import deformation_grid, from_nodes

UNDEFORMED_SHARE = (
    0.35  # part that is not turned or bent: interpolation blurs, and sharp scans must be seen sharp
)
SHARPNESS = 0.4  # chance of blurring, and of sharpening what is not blurred
Insertion = Callable[[torch.Tensor, torch.Tensor, np.random.Generator], "tuple[torch.Tensor, torch.Tensor]"]
OFFSET = 4.0  # z-scores above -4 become positive, so that gamma and bias act as they do on raw intensities


class PatchSource:
    """Draws the batch of any step; the same step gives the same batch.

    Args:
        examples: prepared scans; heavier ones are drawn more often.
        recipe: patch size and strengths.
        shapes: real lesion shapes for insertion; the built-in shape model when None.
        insert: puts synthetic lesions into (picture, target) from a source of chance; FLAIR lesions when None. It
            is given both on the CPU.
        device: ``cpu`` or ``cuda``: where patches are cut and changed, and come out. The same changes are drawn on
            both, but for the noise, which each makes in its own way.
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
        weights = np.array([example.weight for example in examples], dtype=np.float64)
        self.chances = weights / weights.sum()

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (N, C, p, p, p) float32 and soft labels (N, 1, p, p, p) in [0, 1] of one step."""
        rng = np.random.default_rng([self.recipe.seed, step])
        images, labels = zip(*(self._drawn(rng) for _ in range(self.recipe.batch)), strict=True)
        return torch.stack(images), torch.stack(labels)

    def _drawn(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        example = self.examples[rng.choice(len(self.examples), p=self.chances)]
        return self.patch(example, rng)

    def patch(self, example: Example, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """One augmented patch of an example: image (C, p, p, p) and soft label (1, p, p, p)."""
        recipe = self.recipe
        centre = self.centre(example, example.array("label"), rng)
        image, label = self.volumes.of(example)
        stack = cut_patch(image, label, centre, recipe, rng)
        picture, target = stack[:-1], stack[-1:]
        if rng.random() < recipe.insertion:
            inserted = self.insert(picture.cpu(), target.cpu(), rng)
            picture, target = (part.to(stack.device) for part in inserted)
        if recipe.thick_slices and rng.random() < recipe.thick_slices:
            picture, target = thick_slices(picture, target, rng)
        return change_intensity(picture, rng, recipe.intensity), target

    def centre(self, example: Example, label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The voxel that a patch is centred on."""
        places = patch_places(example, self.recipe, rng)
        return near(places[rng.integers(len(places))], label.shape, self.recipe.patch, rng)

    def _insert(
        self, picture: torch.Tensor, target: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        flair = picture[0].numpy()
        allowed = (flair > -0.8) & (flair < 1.2) & (flair != 0) & (target[0].numpy() < 0.05)
        if allowed.sum() < 1000:
            return picture, target
        other = self.recipe.other_pathology
        chances = [1 - other, 0.8 * other, 0.17 * other, 0.03 * other]
        kind = str(rng.choice(list(PATHOLOGIES), p=chances))
        shapes = self.shapes if kind == "ms" and rng.random() < 0.7 else None
        flair, mask = insert_lesions(
            flair, target[0].numpy(), allowed.astype(np.float32), int(rng.integers(1, 7)), rng, kind, shapes
        )
        picture = picture.clone()
        picture[0] = torch.from_numpy(flair)
        return picture, torch.from_numpy(mask)[None]


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


def cut_patch(
    image: Iterable[Volume],
    label: Volume,
    centre: np.ndarray,
    recipe: TrainingRecipe,
    rng: np.random.Generator,
) -> torch.Tensor:
    """Image channels and label (C + 1, p, p, p) around a centre, turned, scaled, bent and mirrored."""
    size = recipe.patch
    deform = recipe.geometry > 0 and rng.random() >= UNDEFORMED_SHARE
    half = int(size * 0.72) if deform else size // 2
    tensor = _block([*image, label], centre, half)
    tensor[-1] /= 255.0
    if deform:
        grid = _sampling_grid(size, 2 * half, recipe.geometry, rng, tensor.device)
        tensor = F.grid_sample(tensor[None], grid, mode="bilinear", align_corners=False)[0]
    axes = [axis + 1 for axis in range(3) if rng.random() < 0.5]
    return torch.flip(tensor, axes) if axes else tensor


def _block(volumes: Sequence[Volume], centre: np.ndarray, half: int) -> torch.Tensor:
    """Cubes around a centre, float32 (N, 2 half, 2 half, 2 half), 0 outside the volumes; where these lie."""
    first, shape = volumes[0], (len(volumes), *(2 * half,) * 3)
    if isinstance(first, torch.Tensor):
        out = torch.zeros(shape, device=first.device)
    else:
        out = torch.from_numpy(
            np.zeros(shape, np.float32)
        )  # cheaper than torch's: filled when it is written to
    start = centre - half
    source = tuple(
        slice(max(s, 0), max(min(s + 2 * half, n), 0)) for s, n in zip(start, first.shape, strict=True)
    )
    if any(part.stop <= part.start for part in source):
        return out
    target = tuple(slice(p.start - s, p.stop - s) for p, s in zip(source, start, strict=True))
    for cube, volume in zip(out, volumes, strict=True):
        if isinstance(volume, torch.Tensor):
            cube[target] = volume[source]
        else:
            cube.numpy()[target] = volume[source]
    return out


def _sampling_grid(
    size: int, block: int, strength: float, rng: np.random.Generator, device: torch.device
) -> torch.Tensor:
    from monai.transforms.utils import create_rotate

    angles = np.deg2rad(rng.uniform(-20, 20, 3) * strength)
    signs = (1, -1, 1)  # so that a seed turns as ever
    turn = create_rotate(3, (angles * signs).tolist())[:3, :3]
    scale = np.exp(rng.uniform(-0.15, 0.15, 3) * strength)
    bend = rng.normal(0, 1, (3, 5, 5, 5)) * (2.0 * strength * 2 / block)
    return deformation_grid(turn * scale * (size / block), np.zeros(3), bend, size, device)


def thick_slices(
    picture: torch.Tensor, target: torch.Tensor, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Average over 2 to 7 mm along one axis (mostly head-foot) and interpolate back, as reading such a scan does."""
    thickness = int(rng.integers(2, 8))
    axis = int(rng.choice(3, p=[0.15, 0.15, 0.7]))
    size = picture.shape[1:]
    both = torch.cat([picture, target])[None]
    kernel = [1, 1, 1]
    kernel[axis] = thickness
    coarse = F.avg_pool3d(both, kernel, ceil_mode=True, count_include_pad=False)
    # the last, partial slice keeps its thickness only if the interpolation covers what it covered
    full = list(size)
    full[axis] = coarse.shape[2 + axis] * thickness
    fine = F.interpolate(coarse, size=full, mode="trilinear", align_corners=False)[0]
    fine = fine[:, : size[0], : size[1], : size[2]]
    outside = (picture == 0).all(0, keepdim=True)
    return fine[:-1].masked_fill(outside, 0.0), fine[-1:]


def change_intensity(picture: torch.Tensor, rng: np.random.Generator, strength: float) -> torch.Tensor:
    """Contrast, bias field, sharpness and noise of z-scored channels; voxels outside the brain (exactly 0) stay 0."""
    if strength == 0:
        return picture
    inside = picture != 0
    raw = (picture + OFFSET).clamp(min=0.05) / OFFSET
    raw = raw ** float(np.exp(rng.uniform(-0.3, 0.3) * strength))
    if rng.random() < 0.5:
        coarse = torch.from_numpy(rng.normal(0, 1, (1, 3, 3, 3)).astype(np.float32)).to(picture.device)
        field = from_nodes(coarse, picture.shape[1:])
        raw = raw * torch.exp(0.05 * strength * field)
    out = (raw - 1) * OFFSET
    if rng.random() < SHARPNESS:
        out = blur(out, float(rng.uniform(0.4, 1.2)))
    elif rng.random() < SHARPNESS:
        out = out + float(rng.uniform(0.2, 1.2)) * (out - blur(out, 0.8))
    scale, shift = np.exp(rng.uniform(-0.25, 0.25) * strength), rng.uniform(-0.3, 0.3) * strength
    out = out * float(scale) + float(shift)
    if rng.random() < 0.5:
        sigma = float(rng.uniform(0, 0.25) * strength)
        out = out + normal_noise(out, rng) * sigma
    return torch.where(inside, out, torch.zeros_like(out))


def normal_noise(picture: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Standard normal numbers in the shape of a picture; a GPU draws its own, seeded from ``rng``."""
    if picture.device.type == "cpu":
        return torch.from_numpy(rng.standard_normal(picture.shape, dtype=np.float32))
    chance = torch.Generator(picture.device).manual_seed(int(rng.integers(2**63)))
    return torch.randn(picture.shape, generator=chance, device=picture.device)


def blur(picture: torch.Tensor, sigma: float) -> torch.Tensor:
    """Smooth each map of (C, X, Y, Z) by a Gaussian that is cut off at two voxels."""
    from monai.networks.layers import separable_filtering

    line = torch.exp(-(torch.arange(-2, 3, dtype=torch.float32) ** 2) / (2 * sigma**2))
    return separable_filtering(picture[None], [line / line.sum()] * 3)[0]
