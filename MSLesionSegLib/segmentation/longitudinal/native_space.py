"""From the common grid of a comparison back to the voxels of the two scans."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from MSLesionSegLib.imaging.grid import to_native_grid
from MSLesionSegLib.imaging.registration import Registration


def map_on(
    values: np.ndarray, affine: np.ndarray, reference: nib.Nifti1Image, registration: Registration | None
) -> np.ndarray:
    """Sample a map at the voxels of a scan, linearly.

    Args:
        values: (X, Y, Z) on the common grid; affine: of that grid.
        reference: the baseline, or the follow-up if ``registration`` is given.
        registration: of the follow-up to the baseline.

    Returns:
        float32 on the grid of ``reference``, 0 where it ends.
    """
    image = nib.Nifti1Image(np.asarray(values, np.float32), affine)
    if registration is None:
        return np.asarray(to_native_grid(image, reference).dataobj)
    return np.asarray(registration.inverse.apply(image, reference).dataobj)


def ids_on(
    labels: np.ndarray, affine: np.ndarray, reference: nib.Nifti1Image, registration: Registration | None
) -> np.ndarray:
    """Carry lesion ids to the voxels of a scan; arguments as for :func:`map_on`.

    Returns:
        int32 on the grid of ``reference``. A lesion that falls between two thick slices gets the one voxel that is
        nearest to its middle, so that the image holds as many lesions as the table.
    """
    image = nib.Nifti1Image(labels.astype(np.int32), affine)
    if registration is None:
        found = np.asarray(to_native_grid(image, reference, order=0).dataobj).copy()
    else:
        found = np.asarray(registration.inverse.apply(image, reference, "nearest").dataobj).copy()
    missing = np.setdiff1d(np.unique(labels), np.unique(found))
    to_voxels = np.linalg.inv(reference.affine)
    for number in missing[missing > 0]:
        voxels = np.argwhere(labels == number)
        middle = voxels[np.argmin(((voxels - voxels.mean(0)) ** 2).sum(1))]
        point = nib.affines.apply_affine(affine, middle)
        if registration is not None:
            lps = registration.forward.TransformPoint([-point[0], -point[1], point[2]])
            point = np.array([-lps[0], -lps[1], lps[2]])
        place = np.rint(nib.affines.apply_affine(to_voxels, point)).astype(int)
        if ((place >= 0) & (place < found.shape)).all() and found[tuple(place)] == 0:
            found[tuple(place)] = number
    return found
