"""Build the small brain atlas of this folder from the MNI152 template and tissue maps that nilearn ships.

Run ``python Resources/Atlas/build_atlas.py`` (needs nilearn and scikit-image; nothing is downloaded). It
writes

- ``regions.nii.gz``: uint8, MNI152 space, 1 mm. 1 outer CSF, 2 cortex, 3 white matter (with the deep grey
  matter), 4 lateral and third ventricles, 5 infratentorial (midbrain, pons, medulla, cerebellum and the CSF
  between them, with the fourth ventricle); the nearest tissue's label goes on for 12 mm outside the brain,
  because a patient's brain mask rarely ends where the template's does, and infratentorial for 40 mm below the
  template, where scans show the upper cord; 0 beyond;
- ``flair.nii.gz``: uint8, 2 mm. What a z-scored, brain-extracted FLAIR looks like, made from the tissue maps;
  intensity = 50 z + 150, 0 outside the brain. It serves registration only.

The three structures that intensities alone cannot tell apart are grown from hand-placed points (MNI mm) by
watershed: ventricles from outer CSF over bright T1 ridges, the posterior fossa from the cerebrum over the
dark tentorial cleft, deep grey matter from cortex over white matter. The upper end of the midbrain is a
plane.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

HERE = Path(__file__).parent
OUTER_CSF, CORTEX, WHITE_MATTER, VENTRICLES, INFRATENTORIAL = 1, 2, 3, 4, 5
VOXEL_AT_ORIGIN = np.array([98, 134, 72])  # nilearn's files are 1 mm, axis-aligned RAS
# T1 intensities of the template: CSF about 70, cortex about 170, white matter about 215.
CSF_BELOW = 140
SLIT_BELOW = 165
OUTSIDE_MM = 12
CORD_MM = 40

Point = tuple[int, int, int]


def both_sides(*points: Point) -> list[Point]:
    """Points on the right and on the left."""
    return [(side * x, y, z) for side in (-1, 1) for x, y, z in points]


VENTRICLE_POINTS = [
    *both_sides((9, 18, 6), (9, 5, 18), (15, -15, 22), (18, -30, 20), (26, -45, 10), (26, -55, 8)),
    *both_sides((34, -38, -3), (36, -22, -15), (31, -8, -24)),
    *[(0, -2, -8), (0, -10, -4), (0, -20, 2)],
]
CISTERN_POINTS = [
    *[(0, -40, 0), (0, -36, -10), (0, -46, 6), (0, 2, -16), (0, -12, -20), (0, 6, -20)],
    *[(0, 5, 38), (0, -48, 16)],
    # velum interpositum: CSF above the third ventricle that is no ventricle
    *[(0, -28, 13), (0, -24, 14), (0, -32, 7), (0, -28, 8), (-7, -32, 11), (7, -32, 11)],
    *both_sides((14, -34, -8), (18, -26, -14), (12, -36, 2), (20, -34, -4), (38, 5, -4), (22, 2, -20)),
]
POSTERIOR_FOSSA_POINTS = [
    *[(0, -26, -32), (0, -32, -50), (0, -60, -22), (0, -62, -35), (0, -24, -18), (0, -22, -12)],
    *both_sides(
        (25, -62, -36), (40, -60, -40), (20, -75, -40), (18, -55, -22), (10, -20, -14), (12, -50, -50)
    ),
]
PONS = (0, -26, -32)
DEEP_GREY_POINTS = [
    *both_sides((10, -18, 8), (14, -26, 8), (6, -10, 4), (13, 12, 8), (15, 2, 18), (26, 4, 2)),
    *both_sides((29, -10, 2), (20, -4, 0), (10, 10, -8)),
]


def points_as_markers(points: list[Point], shape: tuple[int, ...], radius: int = 1) -> np.ndarray:
    """Return a bool array with a small cube around every point."""
    markers = np.zeros(shape, dtype=bool)
    for point in points:
        x, y, z = np.array(point) + VOXEL_AT_ORIGIN
        markers[x - radius : x + radius + 1, y - radius : y + radius + 1, z - radius : z + radius + 1] = True
    return markers


def mni_coordinates(shape: tuple[int, ...]) -> np.ndarray:
    """Return the MNI coordinates in mm, (3, X, Y, Z)."""
    return np.indices(shape) - VOXEL_AT_ORIGIN[:, None, None, None]


def ball(radius_mm: int) -> np.ndarray:
    """Return a ball of voxels of 1 mm as a bool array."""
    grid = np.indices((2 * radius_mm + 1,) * 3) - radius_mm
    return (grid**2).sum(axis=0) <= radius_mm**2


def find_ventricles(t1: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Return the lateral and third ventricles: dark voxels that a cistern does not reach first."""
    x, y, z = mni_coordinates(t1.shape)
    dark = brain & (t1 < CSF_BELOW)
    # The occipital horns are slits that the average over people has nearly closed.
    occipital = (np.abs(x) > 16) & (np.abs(x) < 34) & (y < -45) & (y > -78) & (z > -2) & (z < 16)
    dark |= occipital & (t1 < SLIT_BELOW)
    markers = np.zeros(t1.shape, dtype=np.int32)
    rim = brain & ~ndimage.binary_erosion(brain, iterations=6)
    markers[(rim | points_as_markers(CISTERN_POINTS, t1.shape)) & dark] = 1
    markers[points_as_markers(VENTRICLE_POINTS, t1.shape) & dark] = 2
    return ndimage.binary_closing(watershed(t1, markers, mask=dark) == 2)


def find_infratentorial(t1: np.ndarray, wm: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Return brainstem and cerebellum with the CSF spaces between them."""
    x, y, z = mni_coordinates(t1.shape)
    # From the posterior commissure to just above the mammillary bodies.
    above_midbrain = z > -2 - 0.6 * (y + 30)
    supratentorial_for_sure = above_midbrain & (y > -38)
    supratentorial_for_sure |= z > 6
    supratentorial_for_sure |= (y > 0) & (z > -60)
    supratentorial_for_sure |= (np.abs(x) > 24) & (y > -28)
    tissue = brain & (t1 > 110)
    markers = np.zeros(t1.shape, dtype=np.int32)
    markers[tissue & supratentorial_for_sure] = 1
    cerebral_wm, _ = ndimage.label((wm > 200) & (supratentorial_for_sure | (z > -4)))
    markers[cerebral_wm == np.bincount(cerebral_wm.ravel())[1:].argmax() + 1] = 1
    brainstem = (np.abs(x) < 14) & (y > -38) & (y < -14) & (z > -60)
    infratentorial_for_sure = brainstem | points_as_markers(POSTERIOR_FOSSA_POINTS, t1.shape)
    markers[infratentorial_for_sure & tissue & ~supratentorial_for_sure] = 2
    found = watershed(-ndimage.gaussian_filter(t1, 0.7), markers, mask=tissue) == 2
    found = ndimage.binary_opening(found, ball(1)) & ~supratentorial_for_sure
    labelled, _ = ndimage.label(found)
    found = labelled == labelled[tuple(np.add(VOXEL_AT_ORIGIN, PONS))]
    filled = ndimage.binary_closing(np.pad(found, 10), ball(6))[10:-10, 10:-10, 10:-10]
    return found | (filled & brain & ~tissue & ~supratentorial_for_sure)


def find_cortex(
    gm: np.ndarray, wm: np.ndarray, cerebrum: np.ndarray, csf: np.ndarray, ventricles: np.ndarray
) -> np.ndarray:
    """Return the grey matter of the cerebrum that lies at outer CSF rather than deep in white matter."""
    x, y, z = mni_coordinates(gm.shape)
    around_thalamus = (np.abs(x) < 24) & (y > -36) & (y < 14) & (z > -6) & (z < 23)
    around_putamen = (np.abs(x) < 33) & (y > -20) & (y < 16) & (z > -5) & (z < 14)
    # Half grey, half CSF: the ventricles' walls look like grey matter. Hippocampi (z < -8) are real.
    wall = ndimage.binary_dilation(ventricles, iterations=3) & (z > -8)
    grey = cerebrum & (gm >= wm) & ~around_thalamus & ~around_putamen & ~wall
    markers = np.zeros(gm.shape, dtype=np.int32)
    markers[grey & ndimage.binary_dilation(csf, iterations=2)] = 1
    markers[points_as_markers(DEEP_GREY_POINTS, gm.shape, radius=2) & cerebrum] = 2
    return grey & (watershed(wm, markers, mask=grey) != 2)


def build_regions(t1: np.ndarray, gm: np.ndarray, wm: np.ndarray) -> np.ndarray:
    """Return the region labels (uint8) for template and tissue maps (X, Y, Z), each 0 to 255."""
    brain = ndimage.binary_fill_holes(t1 > 0)
    ventricles = find_ventricles(t1, brain)
    infratentorial = find_infratentorial(t1, wm, brain) & ~ventricles
    # The tissue maps are soft at the ventricles' walls: what looks like CSF right there is ventricle.
    wall = ndimage.binary_dilation(ventricles, iterations=2) & (gm + wm < 170) & ~infratentorial
    ventricles |= wall & (t1 < CSF_BELOW + 15)
    cerebrum = brain & ~ventricles & ~infratentorial
    outer_csf = cerebrum & (gm + wm < 170) & ~ndimage.binary_dilation(ventricles, iterations=2)
    cortex = find_cortex(gm, wm, cerebrum & ~outer_csf, outer_csf | ~brain, ventricles)
    regions = np.zeros(t1.shape, dtype=np.uint8)
    regions[cerebrum] = WHITE_MATTER
    regions[outer_csf] = OUTER_CSF
    regions[cortex] = CORTEX
    regions[ventricles] = VENTRICLES
    regions[infratentorial] = INFRATENTORIAL
    return regions


def extended(regions: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Continue the labels beyond the brain and ``CORD_MM`` below the image: returns (X, Y, Z + CORD_MM)."""
    below = [(0, 0), (0, 0), (CORD_MM, 0)]
    regions, brain = np.pad(regions, below), np.pad(brain, below)
    tissue = np.isin(regions, (CORTEX, WHITE_MATTER, INFRATENTORIAL))
    nearest = ndimage.distance_transform_edt(~tissue, return_distances=False, return_indices=True)
    outside = ~brain & (ndimage.distance_transform_edt(~brain) <= OUTSIDE_MM)
    filled = np.where(outside, regions[tuple(nearest)], regions)
    x, y, z = mni_coordinates(regions.shape)
    cord = (z - CORD_MM < -62) & (np.abs(x) < 25) & (y > -75) & (y < 0)
    filled[cord & (filled == 0)] = INFRATENTORIAL
    return filled


def build_flair(gm: np.ndarray, wm: np.ndarray, brain: np.ndarray, ventricles: np.ndarray) -> np.ndarray:
    """Return a FLAIR-like z-score map: dark CSF, white matter at 0.1, grey matter a little brighter."""
    tissue = np.clip(gm + wm, 1, None)
    z = np.where(gm + wm > 0, (0.6 * gm + 0.1 * wm) / tissue, 0.1)
    csf = 1.0 - np.clip(gm + wm, 0, 255) / 255.0
    z = (1.0 - csf) * z - 2.8 * csf
    z[ventricles] = np.minimum(z[ventricles], -2.0)
    return np.where(brain, np.clip(50.0 * z + 150.0, 1, 255), 0.0)


def main() -> None:
    """Write both files of the atlas beside this script."""
    data = files("nilearn.datasets") / "data"
    template = nib.Nifti1Image.from_filename(str(data / "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"))
    t1 = np.asarray(template.dataobj, dtype=np.float32)
    gm, wm = (
        np.asarray(
            nib.Nifti1Image.from_filename(
                str(data / f"mni_icbm152_{tissue}_tal_nlin_sym_09a_converted.nii.gz")
            ).dataobj,
            np.float32,
        )
        for tissue in ("gm", "wm")
    )
    regions = build_regions(t1, gm, wm)
    flair = build_flair(gm, wm, ndimage.binary_fill_holes(t1 > 0), regions == VENTRICLES)
    lower = template.affine.copy()
    lower[2, 3] -= CORD_MM
    _save(extended(regions, ndimage.binary_fill_holes(t1 > 0)), lower, HERE / "regions.nii.gz")
    even = tuple(size // 2 * 2 for size in flair.shape)
    blocks = flair[: even[0], : even[1], : even[2]].reshape(even[0] // 2, 2, even[1] // 2, 2, even[2] // 2, 2)
    coarse = template.affine @ np.array([[2, 0, 0, 0.5], [0, 2, 0, 0.5], [0, 0, 2, 0.5], [0, 0, 0, 1.0]])
    _save(np.rint(blocks.mean(axis=(1, 3, 5))).astype(np.uint8), coarse, HERE / "flair.nii.gz")


def _save(array: np.ndarray, affine: np.ndarray, path: Path) -> None:
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, code=4)
    image.set_qform(affine, code=4)
    nib.save(image, path)


if __name__ == "__main__":
    main()
