"""From scans and a brain mask to the lesion probability in native space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.grid import NETWORK_SPACING_MM, to_native_grid, to_network_grid
from MSLesionSegLib.imaging.normalization import zscore
from MSLesionSegLib.jobs.progress import Progress, Silent, Within
from MSLesionSegLib.lesions.components import bounding_box
from MSLesionSegLib.segmentation import stages

if TYPE_CHECKING:
    from MSLesionSegLib.network.models.store import Model

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


@dataclass(frozen=True)
class LesionProbability:
    """What a model finds on one patient.

    Attributes:
        probability: on the native grid, float32 (X, Y, Z) in [0, 1], 0 outside the brain.
        uncertainty: standard deviation of the probability over mirrored inputs on that grid, or None.
        seen: what the network saw.
    """

    probability: np.ndarray
    uncertainty: np.ndarray | None
    seen: NetworkInput


def network_input(
    images: Sequence[nib.Nifti1Image],
    brain: nib.Nifti1Image,
    spacing: float = NETWORK_SPACING_MM,
    winsorise_percent: float = 0.0,
) -> NetworkInput:
    """Resample scans that share a grid to the network's, z-score them in the brain and cut to the brain.

    Args:
        images: one per channel.
        brain: mask on their grid.
        spacing: edge of the network's voxels in mm.
        winsorise_percent: see :func:`~MSLesionSegLib.imaging.normalization.zscore`.

    Raises:
        ImageError: the brain mask is empty, or a scan is constant inside it.
    """
    inside = to_network_grid(nib.Nifti1Image(np.asarray(brain.dataobj, np.float32), brain.affine), spacing)
    mask = np.asarray(inside.dataobj) >= 0.5
    box = bounding_box(mask, margin=MARGIN_VOXELS)
    if box is None:
        raise ImageError("No brain was found in the scan. The command line takes a brain mask of your own.")
    channels = np.stack(
        [
            zscore(np.asarray(to_network_grid(image, spacing).dataobj), mask, winsorise_percent)[box]
            for image in images
        ]
    )
    return NetworkInput(channels, mask[box], inside.slicer[box].affine)


def lesion_probability(
    model: Model,
    images: Sequence[nib.Nifti1Image],
    brain: nib.Nifti1Image,
    *,
    winsorise_percent: float = 0.0,
    device: str = "cpu",
    mirroring: bool = False,
    progress: Progress | None = None,
) -> LesionProbability:
    """Run a model on scans of one patient.

    Args:
        images: one per channel of the model, in its order, on one grid.
        brain: mask on that grid.
        winsorise_percent: see :func:`network_input`.
        device, mirroring: see :func:`~MSLesionSegLib.network.sliding_window.predict`.
        progress: told the stages ``PREPARE``, ``NETWORK`` and ``NATIVE``.

    Raises:
        ImageError: the brain mask is empty, or a scan is constant inside it.
    """
    progress = progress or Silent()
    progress.stage(stages.PREPARE)
    seen = network_input(images, brain, model.card.spacing_mm, winsorise_percent)
    return probability_of(model, seen, brain, device=device, mirroring=mirroring, progress=progress)


def probability_of(
    model: Model,
    seen: NetworkInput,
    brain: nib.Nifti1Image,
    *,
    device: str = "cpu",
    mirroring: bool = False,
    progress: Progress | None = None,
) -> LesionProbability:
    """As :func:`lesion_probability`, of what :func:`network_input` made."""
    from MSLesionSegLib.network.sliding_window import predict

    progress = progress or Silent()
    progress.stage(stages.NETWORK)
    inner = Within(progress, stages.NETWORK)
    found = predict(model, seen.channels, seen.brain, device=device, mirroring=mirroring, progress=inner)
    progress.stage(stages.NATIVE)
    spread = found.uncertainty
    return LesionProbability(
        _to_native(found.probability, seen.affine, brain),
        None if spread is None else _to_native(spread, seen.affine, brain),
        seen,
    )


def _to_native(array: np.ndarray, affine: np.ndarray, brain: nib.Nifti1Image) -> np.ndarray:
    native = to_native_grid(nib.Nifti1Image(array, affine), brain)
    # interpolation spreads a little over the edge of the brain
    return np.clip(np.asarray(native.dataobj, np.float32), 0.0, 1.0) * (np.asarray(brain.dataobj) > 0)
