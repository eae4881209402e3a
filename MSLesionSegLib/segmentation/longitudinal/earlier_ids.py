"""Ids that lesions got in an earlier comparison, so that they keep them at the next visit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.imaging.dicom.tracked_segments import read_tracked_segments
from MSLesionSegLib.imaging.reading import read_labels
from MSLesionSegLib.segmentation import result_folder

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


def ids_digest(path: Path | None) -> str:
    """What tells the ids of one earlier comparison from those of another; empty for none.

    ``path`` as in :func:`read_earlier_ids`.
    """
    if path is None:
        return ""
    file = earlier_segmentation(path) or (path / LESIONS.format("followup") if path.is_dir() else path)
    return file_sha256(file) if file.is_file() else f"none, {_highest(path)} given before"


def earlier_segmentation(path: Path) -> Path | None:
    """The DICOM Segmentation that the lesions are numbered in; None where that is a comparison or a label image.

    ``path`` as in :func:`read_earlier_ids`.
    """
    from MSLesionSegLib.imaging.dicom.segmentation import segmentation_file

    if not path.exists() or result_folder.read_manifest(path) is not None:
        return None
    return segmentation_file(path)


def counts_withheld(folder: Path) -> bool:
    """Whether a folder is a comparison whose counts are withheld, so that it holds no numbered lesions."""
    told = result_folder.read_manifest(folder) or {}
    return told.get("comparability", {}).get("counts") == "withheld"


def read_earlier_ids(path: Path, baseline: nib.Nifti1Image) -> EarlierIds:
    """Read the ids of an earlier comparison.

    Args:
        path: folder of that result, or its label image of the lesions at follow-up. An image from elsewhere will
            do; then the highest id is the highest in the image. Where its counts are withheld there are no ids to
            keep, but those that were given before are not given again. Or a DICOM Segmentation of the scan, or a
            folder that holds one: the ids are those that it calls its lesions by.
        baseline: the scan whose grid the ids must lie on.

    Raises:
        ImageError: a folder without numbered lesions; an image that is unreadable, has no labels or lies on another
            grid.
    """
    segmentation = earlier_segmentation(path)
    if segmentation is not None:
        return _of_segmentation(segmentation, baseline)
    folder, file = (path, path / LESIONS.format("followup")) if path.is_dir() else (path.parent, path)
    if path.is_dir() and not file.exists() and counts_withheld(path):
        nothing = np.zeros(baseline.shape[:3], np.uint8)
        return EarlierIds(nib.Nifti1Image(nothing, baseline.affine), _highest(path))
    if path.is_dir() and not file.exists():
        raise ImageError(
            f"{path.name} holds no numbered lesions ({file.name}): give the folder of an earlier comparison "
            "that counted lesions."
        )
    image = read_labels(file, baseline)
    told = _highest(folder) if file.name == LESIONS.format("followup") else 0
    return EarlierIds(image, max(int(np.asarray(image.dataobj).max()), told))


def _of_segmentation(file: Path, baseline: nib.Nifti1Image) -> EarlierIds:
    labels = read_labels(file, baseline)
    ids = read_tracked_segments(file).lesions
    by_segment = np.zeros(max(ids) + 1, np.int32)
    by_segment[[*ids]] = [*ids.values()]
    image = nib.Nifti1Image(by_segment[np.asarray(labels.dataobj)], labels.affine, labels.header)
    return EarlierIds(image, max(ids.values()))


def _highest(folder: Path) -> int:
    """Highest id that the comparison in a folder tells; 0 where there is none."""
    return (result_folder.read_manifest(folder) or {}).get("highest_id", 0)
