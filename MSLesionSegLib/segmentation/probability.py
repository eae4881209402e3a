"""From scans and a brain mask to the lesion probability in native space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.grid import NETWORK_SPACING_MM, to_native_grid, to_network_grid
from MSLesionSegLib.imaging.normalise import zscore
from MSLesionSegLib.lesions.components import bounding_box
from MSLesionSegLib.progress import Progress, Silent

if TYPE_CHECKING:
    from MSLesionSegLib.network.inference import Prediction
    from MSLesionSegLib.network.store import Model

MARGIN_VOXELS = 8


@dataclass(frozen=True)
class NetworkInput:
    """What a network sees, cut to the brain.

    Attributes:
        channels: z-scored inside the brain, 0 outside, float32 (C, X, Y, Z), RAS.
        brain: bool (X, Y, Z).
        affine: voxel to RAS millimetres, (4, 4).
    """

    channels: np.ndarray
    brain: np.ndarray
    affine: np.ndarray


def network_input(
    images: Sequence[nib.Nifti1Image], brain: nib.Nifti1Image, spacing: float = NETWORK_SPACING_MM
) -> NetworkInput:
    """Resample scans that share a grid to the network's, z-score them in the brain and cut to the brain.

    Raises:
        ImageError: the brain mask is empty, or a scan is constant inside it.
    """
    inside = to_network_grid(nib.Nifti1Image(np.asarray(brain.dataobj, np.float32), brain.affine), spacing)
    mask = np.asarray(inside.dataobj) >= 0.5
    box = bounding_box(mask, margin=MARGIN_VOXELS)
    if box is None:
        raise ImageError("No brain was found in the scan. Give a brain mask with --brain-mask.")
    channels = np.stack(
        [zscore(np.asarray(to_network_grid(image, spacing).dataobj), mask)[box] for image in images]
    )
    return NetworkInput(channels, mask[box], inside.slicer[box].affine)


def to_native(prediction: Prediction, affine: np.ndarray, brain: nib.Nifti1Image) -> Prediction:
    """A prediction on the grid of the brain mask, float32 (X, Y, Z), 0 outside the brain.

    Args:
        prediction: on the network's grid.
        affine: of that grid, (4, 4).
        brain: mask on the native grid.
    """
    from MSLesionSegLib.network.inference import Prediction

    inside = np.asarray(brain.dataobj) > 0

    def back(array: np.ndarray) -> np.ndarray:
        native = to_native_grid(nib.Nifti1Image(array, affine), brain)
        # interpolation spreads a little over the edge of the brain
        return np.clip(np.asarray(native.dataobj, np.float32), 0.0, 1.0) * inside

    spread = prediction.uncertainty
    return Prediction(back(prediction.probability), None if spread is None else back(spread))


def lesion_probability(
    model: Model,
    images: Sequence[nib.Nifti1Image],
    brain: nib.Nifti1Image,
    *,
    device: str = "cpu",
    flips: bool = False,
    progress: Progress | None = None,
) -> Prediction:
    """Probability (and with ``flips`` uncertainty) on the grid of the first image.

    Args:
        images: one per channel of the model, in its order, on one grid.
        brain: mask on that grid.
    """
    from MSLesionSegLib.network.inference import predict

    seen = network_input(images, brain, model.card.spacing_mm)
    prediction = predict(
        model, seen.channels, seen.brain, device=device, flips=flips, progress=progress or Silent()
    )
    return to_native(prediction, seen.affine, brain)
