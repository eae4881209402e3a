"""Brain mask of any head MRI by a small network that works at 2 mm."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy import ndimage

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks.air_level import above_air
from MSLesionSegLib.imaging.grid import to_native_grid, to_network_grid
from MSLesionSegLib.jobs.progress import Progress, Silent

SPACING_MM = 2.0
MODEL = "brain"
SMALLEST_BRAIN_ML = 300


def brain_mask(
    image: nib.Nifti1Image, *, device: str = "cpu", progress: Progress | None = None
) -> nib.Nifti1Image:
    """Mask of the brain including sulcal fluid, cerebellum and brain stem.

    Args:
        image: FLAIR or T1-weighted head, (X, Y, Z), with or without skull, on any scale of values.
        device: ``cpu`` or ``cuda``.
        progress: told the stage.

    Returns:
        uint8 image on the same grid, 1 inside the brain: one component without holes.

    Raises:
        ImageError: nothing of a brain's size was found.
    """
    (progress or Silent()).stage("brain mask", 0.0)
    image = above_air(image)
    if looks_stripped(image):
        mask = _largest(close_sulci(np.asarray(image.dataobj) > 0, image))
    else:
        soft = to_native_grid(_head_mask(to_network_grid(image, SPACING_MM), device), image)
        mask = _largest(without_fat(np.asarray(soft.dataobj) > 0.5, np.asarray(image.dataobj)))
    volume = mask.sum() * abs(np.linalg.det(image.affine[:3, :3])) / 1000
    if volume < SMALLEST_BRAIN_ML:
        raise ImageError(
            f"No brain was found in the image (only {volume:.0f} ml look like brain). "
            "Check that it is a head MRI, or give a brain mask."
        )
    return nib.Nifti1Image(mask.astype(np.uint8), image.affine)


def looks_stripped(image: nib.Nifti1Image) -> bool:
    """Whether the scan is brain-extracted: nothing but zeros around a body of a brain's size.

    The body fills 3 to 60 % of the field of view and has less than 2200 ml; the air around may hold 0.1 % of
    voxels that are not zero.
    """
    data = np.asarray(image.dataobj)
    body = data > 0
    if not 0.03 < body.mean() < 0.6:
        return False
    # raw scans have noise in the air around the head
    air = ~ndimage.binary_dilation(_largest(body), iterations=2)
    if air.any() and (data[air] != 0).mean() > 0.001:
        return False
    volume = body.sum() * abs(np.linalg.det(image.affine[:3, :3])) / 1000
    return bool(volume < 2200)


def without_fat(mask: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Brain without the bright fat of orbits, scalp and skull base that reaches into its mask.

    Voxels of ``data`` that are 3 robust standard deviations brighter than the brain's median are fat, skin or a
    vessel where they hang together (26-connected) with more such voxels outside the mask than within; lesions do not.

    Returns:
        bool array of the same shape.
    """
    inside = data[mask]
    if not inside.size:
        return mask
    middle, upper = np.percentile(inside, (50, 75))
    labels, count = ndimage.label(data > middle + 3 * (upper - middle) / 0.6745, np.ones((3, 3, 3)))
    within = np.bincount(labels[mask], minlength=count + 1)
    foreign = within < np.bincount(labels.ravel(), minlength=count + 1) / 2
    foreign[0] = False
    return mask & ~foreign[labels]


def normalise_head(head: np.ndarray) -> np.ndarray:
    """Scale a head so that its tissue has mean 2 and air stays near 0; the brightest hundredth is cut off.

    Returns:
        float32 array of the same shape.
    """
    brightest = np.percentile(head, 99.5)
    tissue = head[head > 0.1 * brightest]
    mean = float(np.minimum(tissue, brightest).mean()) if tissue.size else 1.0
    return (2.0 * np.clip(head, 0, brightest) / max(mean, 1e-6)).astype(np.float32)


def _head_mask(head: nib.Nifti1Image, device: str) -> nib.Nifti1Image:
    """Brain mask (float32, 0 or 1) on the 2 mm grid of ``head``."""
    import torch

    from MSLesionSegLib.network.models.store import SHIPPED, load_model
    from MSLesionSegLib.network.number_format import computes_in_bfloat16

    model = load_model(SHIPPED / MODEL, task="brain")
    data = normalise_head(np.asarray(head.dataobj))
    box = _body_box(data)
    cut = data[box]
    padded = np.pad(cut, [(0, -n % model.card.architecture.multiple) for n in cut.shape])
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=computes_in_bfloat16(device)):
        network = model.network.to(device, memory_format=torch.channels_last_3d)
        logits = network(torch.from_numpy(padded)[None, None].to(device))[0, 0].float().cpu().numpy()
    mask = np.zeros(data.shape, dtype=np.float32)
    mask[box] = _detach(logits[tuple(slice(n) for n in cut.shape)] > 0)
    return nib.Nifti1Image(mask, head.affine)


def _body_box(data: np.ndarray) -> tuple[slice, ...]:
    """Box around the head: planes of which at least 2 % are tissue. Air would shift the instance normalisation."""
    box = []
    for axis in range(3):
        filled = (data > 0.7).mean(axis=tuple(a for a in range(3) if a != axis))
        used = np.flatnonzero(filled > 0.02)
        box.append(slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(None))
    return tuple(box)


def _detach(mask: np.ndarray) -> np.ndarray:
    """Brain without pieces of face or eyes that hang on it by less than a neck of about 8 mm."""
    core = _largest(ndimage.binary_erosion(mask, iterations=2))
    return _largest(mask & ndimage.binary_dilation(core, iterations=4))


def _largest(mask: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    biggest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return ndimage.binary_fill_holes(biggest)


def close_sulci(mask: np.ndarray, image: nib.Nifti1Image) -> np.ndarray:
    """Close sulci that a tight brain extraction left open, by 3 mm, and fill holes."""
    zooms = np.array(image.header.get_zooms()[:3])
    radius = np.maximum(np.round(3 / zooms), 0).astype(int)
    edges = tuple(2 * radius + 1)
    padded = np.pad(mask, [(r, r) for r in radius]).astype(np.uint8)
    # maximum and minimum filters work axis by axis: the same as a binary closing with a box, in a sixth of the time
    grown = ndimage.maximum_filter(padded, edges, mode="constant")
    closed = ndimage.minimum_filter(grown, edges, mode="constant")[
        tuple(slice(r, r + n) for r, n in zip(radius, mask.shape, strict=True))
    ]
    return ndimage.binary_fill_holes((closed > 0) | mask)
