"""The other scans of a session brought onto the grid of the reference scan."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, voxel_sizes

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.reading import Scan
from MSLesionSegLib.jobs.progress import Progress, Silent

if TYPE_CHECKING:
    import SimpleITK as sitk

STILL_MM = 0.25  # patients move more than this between two scans; less is not worth the blur of resampling
LEAST_SHARE = 0.5
FULL_SHARE = 0.98


@dataclass(frozen=True)
class AlignedScan:
    """A scan on the grid of the reference.

    Attributes:
        image: float32 (X, Y, Z), 0 where the scan shows nothing.
        seen: bool (X, Y, Z), where it shows something.
        brain: uint8 mask of its own brain on that grid.
        findings: what a person should know about the fit.
    """

    image: nib.Nifti1Image
    seen: np.ndarray
    brain: nib.Nifti1Image
    findings: tuple[InputWarning, ...]


def align(
    scan: Scan,
    title: str,
    reference: Scan,
    brain: nib.Nifti1Image,
    *,
    progress: Progress | None = None,
) -> AlignedScan:
    """Register a scan rigidly to the reference scan of the same session.

    Args:
        scan: any orientation and spacing.
        title: what it is called towards people.
        reference: the scan whose grid counts.
        brain: mask on the grid of the reference.
        progress: told the stages of finding the brain and of the registration.

    Raises:
        ImageError: the fields of view do not overlap, or the scan shows less than half of the brain.
    """
    from MSLesionSegLib.imaging.registration import register
    from MSLesionSegLib.network.brain_extraction import brain_mask
    from MSLesionSegLib.network.brain_mask_check import judge_brain_of

    _check_overlap(scan, title, reference)
    own = brain_mask(scan.image, progress=progress or Silent())
    found = register(
        scan.image, reference.image, preset="rigid", moving_mask=own, fixed_mask=brain, progress=progress
    )
    fixed = reference.image
    if _largest_shift(found.forward, brain) < STILL_MM and _same_grid(scan.image, fixed):
        image, inside, seen = scan.image, own, np.ones(fixed.shape[:3], dtype=bool)
    else:
        image = found.apply(scan.image, fixed)
        inside = found.apply(own, fixed, "nearest")
        everywhere = nib.Nifti1Image(np.ones(scan.image.shape[:3], np.float32), scan.image.affine)
        seen = np.asarray(found.apply(everywhere, fixed).dataobj) > 0.5
    share = float(seen[np.asarray(brain.dataobj) > 0].mean())
    if share < LEAST_SHARE:
        raise ImageError(
            f"The {title} ({scan.path.name}) shows only {100 * share:.0f} % of the brain that {reference.path.name} "
            "shows: their fields of view hardly overlap. Check that both belong to one examination."
        )
    findings: tuple[InputWarning, ...] = ()
    if share < FULL_SHARE:
        findings = (
            InputWarning(
                "partly-covered",
                f"The {title} shows only {100 * share:.0f} % of the brain. Lesions in the rest cannot be found.",
            ),
        )
    return AlignedScan(image, seen, inside, (*judge_brain_of(title, own), *findings))


def _check_overlap(scan: Scan, title: str, reference: Scan) -> None:
    """Scans of one session share the scanner's coordinates, unless a file has lost them."""
    if any(finding.code == "no-position" for s in (scan, reference) for finding in s.findings):
        return
    (low, high), (other_low, other_high) = _box(scan.image), _box(reference.image)
    if (low > other_high).any() or (other_low > high).any():
        raise ImageError(
            f"The fields of view of the {title} ({scan.path.name}) and of {reference.path.name} do not overlap: they "
            "lie at different places in the scanner. Check that both belong to one examination."
        )


def _box(image: nib.Nifti1Image) -> tuple[np.ndarray, np.ndarray]:
    corners = apply_affine(image.affine, list(product(*((0, n - 1) for n in image.shape[:3]))))
    return corners.min(0), corners.max(0)


def _same_grid(one: nib.Nifti1Image, other: nib.Nifti1Image) -> bool:
    if one.shape[:3] != other.shape[:3]:
        return False
    return bool(np.abs(one.affine - other.affine).max() < 0.01 * min(voxel_sizes(other.affine)))


def _largest_shift(transform: sitk.Transform, brain: nib.Nifti1Image) -> float:
    """Largest distance in mm that a rigid transform moves a corner of the brain's box."""
    voxels = np.argwhere(np.asarray(brain.dataobj) > 0)
    corners = list(product(*zip(voxels.min(0), voxels.max(0), strict=True)))
    points = apply_affine(brain.affine, corners) * [-1, -1, 1]
    return max(
        float(np.linalg.norm(np.array(transform.TransformPoint(point.tolist())) - point)) for point in points
    )
