"""What a reviewer changed in a draft, lesion by lesion."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np

from MSLesionSegLib.cases.record import Case
from MSLesionSegLib.imaging.reading import read_mask
from MSLesionSegLib.lesions.components import label_components

ADDED, REJECTED = 1, 2


@dataclass(frozen=True)
class Correction:
    """How a corrected mask differs from its draft; lesions are 26-connected.

    Attributes:
        regions: uint8 (X, Y, Z): ``ADDED`` where a lesion is that no voxel of the draft touches, ``REJECTED`` where
            a lesion of the draft is of which nothing was kept, else 0. Redrawn borders are in neither.
        lesions_added, lesions_rejected, voxels_added, voxels_removed: how many.
    """

    regions: np.ndarray
    lesions_added: int
    lesions_rejected: int
    voxels_added: int
    voxels_removed: int


def compare_with_draft(mask: np.ndarray, draft: np.ndarray) -> Correction:
    """Compare a corrected mask with its draft, both (X, Y, Z) and nonzero inside."""
    mask, draft = np.asarray(mask) > 0, np.asarray(draft) > 0
    added, lesions_added = _untouched(mask, draft)
    rejected, lesions_rejected = _untouched(draft, mask)
    regions = np.where(added, ADDED, np.where(rejected, REJECTED, 0)).astype(np.uint8)
    return Correction(
        regions,
        lesions_added,
        lesions_rejected,
        voxels_added=int(np.count_nonzero(mask & ~draft)),
        voxels_removed=int(np.count_nonzero(draft & ~mask)),
    )


def corrections(case: Case) -> nib.Nifti1Image:
    """Where the reviewer added or rejected whole lesions, so that training can look there more often.

    Returns:
        uint8 image on the mask's grid, see :attr:`Changes.regions`; empty for a case without a draft.

    Raises:
        ImageError: mask or draft cannot be read.
    """
    mask = read_mask(case.mask)
    if case.draft is None:
        return nib.Nifti1Image(np.zeros(mask.shape, np.uint8), mask.affine, mask.header)
    draft = read_mask(case.draft, mask)
    regions = compare_with_draft(np.asarray(mask.dataobj), np.asarray(draft.dataobj)).regions
    return nib.Nifti1Image(regions, mask.affine, mask.header)


def _untouched(mask: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, int]:
    """The lesions of ``mask`` that have no voxel in common with ``other``, and how many they are."""
    labels, count = label_components(mask)
    alone = np.ones(count + 1, dtype=bool)
    alone[np.unique(labels[other])] = False
    alone[0] = False
    return alone[labels], int(alone.sum())
