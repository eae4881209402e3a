"""Ids that lesions got in an earlier comparison, so that they keep them at the next visit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.reading import read_labels
from MSLesionSegLib.segmentation import outputs

LESIONS = "space-{}_label-lesion_dseg.nii.gz"


@dataclass(frozen=True, eq=False)
class EarlierIds:
    """Numbered lesions of the scan that is now the baseline.

    Attributes:
        image: ids on the grid of the baseline, 0 outside.
        highest: highest id given up to then, also to lesions that have vanished since.
    """

    image: nib.Nifti1Image
    highest: int

    def on(self, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
        """The ids on another grid of the same space, by nearest neighbour."""
        from nibabel.processing import resample_from_to

        return np.asarray(resample_from_to(self.image, (shape, affine), order=0).dataobj)


def has_ids(folder: Path) -> bool:
    """Whether the result folder of a comparison holds numbered lesions; it does not where counts are withheld."""
    return (folder / LESIONS.format("followup")).is_file()


def read_earlier_ids(path: Path, baseline: nib.Nifti1Image) -> EarlierIds:
    """Read the ids of an earlier comparison.

    Args:
        path: folder of that result, or its label image of the lesions at follow-up. An image from elsewhere will
            do; then the highest id is the highest in the image.
        baseline: the scan whose grid the ids must lie on.

    Raises:
        ImageError: a folder without numbered lesions; an image that is unreadable, has no labels or lies on another
            grid.
    """
    folder, file = (path, path / LESIONS.format("followup")) if path.is_dir() else (path.parent, path)
    if path.is_dir() and not file.exists():
        raise ImageError(
            f"{path.name} holds no numbered lesions ({file.name}): give the folder of an earlier comparison "
            "that counted lesions."
        )
    image = read_labels(file, baseline)
    earlier = outputs.read_manifest(folder) if file.name == LESIONS.format("followup") else None
    told = (earlier or {}).get("highest_id", 0)
    return EarlierIds(image, max(int(np.asarray(image.dataobj).max()), told))
