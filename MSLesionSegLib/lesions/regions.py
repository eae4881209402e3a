"""Anatomical regions of a patient's brain, and in which of them a lesion lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from MSLesionSegLib.lesions.atlas import (
    CORTEX,
    INFRATENTORIAL,
    OUTER_CSF,
    VENTRICLES,
    WHITE_MATTER,
    register_atlas,
    warp_regions,
)
from MSLesionSegLib.lesions.components import bounding_box, label_components

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

PERIVENTRICULAR = "periventricular"
JUXTACORTICAL = "juxtacortical"
IN_INFRATENTORIAL = "infratentorial"
DEEP_WHITE_MATTER = "deep white matter"
UNDETERMINED = "undetermined"
REGIONS = (PERIVENTRICULAR, JUXTACORTICAL, IN_INFRATENTORIAL, DEEP_WHITE_MATTER, UNDETERMINED)

# Chosen on ten thick-slice scans with hand-drawn ventricles: of 46 lesions that touch those, 40 are called
# periventricular, and 53 of all 56 that are called so lie within 3 mm. A limit of 2 mm missed a third of the
# touching ones, 4 mm took in as many others as true ones.
PERIVENTRICULAR_WITHIN_MM = 2.5
# The atlas' cortex is thicker than real cortex, so a lesion has to overlap or border it.
JUXTACORTICAL_WITHIN_MM = 1.0

REGION_RULE = (
    "Infratentorial: more than half of the lesion lies in brainstem or cerebellum. Otherwise periventricular: "
    f"at most {PERIVENTRICULAR_WITHIN_MM:g} mm from the lateral or third ventricles. Otherwise juxtacortical "
    f"(or cortical): at most {JUXTACORTICAL_WITHIN_MM:g} mm from the cortex. Otherwise deep white matter (or deep "
    "grey matter). Distances are the smallest ones between voxel centres. The ventricles are found on this scan; "
    "the cortex comes from an atlas fitted to it and is accurate to a few mm."
)

_SMALLEST_BRAIN_ML = 400.0
_SMALLEST_EXTENT_MM = 60.0
_WORST_CORRELATION = 0.5
_SCALES = (0.5, 3.0)
_NO_FIT = "The brain atlas does not fit this scan, so the lesions' regions stay undetermined."

_CSF_SHARE = 0.35  # a voxel this far from tissue towards CSF counts as CSF: partial volume on thick slices
_VENTRICLE_REACH_MM = 8.0
_CORTEX_DEPTH_MM = 6.0
_ROUNDING_MM = 1e-6


@dataclass(frozen=True)
class RegionMap:
    """Regions of one patient on one grid.

    ``labels``: uint8 (X, Y, Z), 0 outside the brain, 1 outer CSF, 2 cortex, 3 white and deep grey matter,
    4 lateral and third ventricles, 5 infratentorial. ``correlation``: how well the atlas fits, -1 to 1; None if
    it was not tried. ``problem``: a sentence if the atlas could not be fitted, then labels are 0 and all regions
    undetermined; else None.
    """

    labels: nib.Nifti1Image
    correlation: float | None = None
    problem: str | None = None

    def distance_mm(self, voxels: np.ndarray, label: int) -> float:
        """Smallest distance in mm from any of ``voxels`` (N, 3; whole numbers) to a voxel of ``label``.

        Between voxel centres; infinite if there is no such voxel.
        """
        if (np.asarray(self.labels.dataobj)[tuple(voxels.T)] == label).any():
            return 0.0
        surface = self._surface(label)
        if not len(voxels) or not surface.n:
            return float("inf")
        places = voxels * self._sizes
        middle = places.mean(axis=0)
        far, index = surface.query(middle)
        bound = np.linalg.norm(places - surface.data[index], axis=1).min()
        # by the triangle inequality no other voxel can be nearer than ``bound``
        near = places[np.linalg.norm(places - middle, axis=1) >= far - bound - _ROUNDING_MM]
        nearest = surface.query(near, distance_upper_bound=bound)[0].min(initial=bound)
        return float(np.float32(nearest))

    @property
    def _sizes(self) -> np.ndarray:
        return np.linalg.norm(self.labels.affine[:3, :3], axis=0)

    def _surface(self, label: int) -> cKDTree:
        """The outermost voxels of ``label`` in mm, searchable: a tenth of a second once, where distances from
        everywhere in a brain take half a second and a review shall start at once.
        """
        if label not in self._surfaces:
            from scipy.ndimage import binary_erosion
            from scipy.spatial import cKDTree

            whole = np.asarray(self.labels.dataobj) == label
            box = bounding_box(whole, margin=1) or (slice(0, 1),) * 3
            edge = whole[box] & ~binary_erosion(whole[box])
            places = np.argwhere(edge) + [part.start for part in box]
            # a plain tree is built in half the time of a balanced one
            tree = cKDTree(places * self._sizes, leafsize=64, balanced_tree=False, compact_nodes=False)
            self._surfaces[label] = tree
        return self._surfaces[label]

    @cached_property
    def _surfaces(self) -> dict[int, cKDTree]:
        return {}


@dataclass(frozen=True)
class Location:
    """Region of one lesion (one of :data:`REGIONS`), the distance (mm) that decided, and why in a sentence.

    ``distance_mm``: to the ventricles if periventricular, to the cortex if juxtacortical, to the nearer one
    if in deep white matter, 0 if infratentorial, None if undetermined.
    """

    region: str
    distance_mm: float | None
    rule: str


def fit_atlas(flair_1mm: nib.Nifti1Image, brain_1mm: nib.Nifti1Image) -> RegionMap:
    """Find the regions of a patient.

    ``flair_1mm``: z-scored inside the brain (X, Y, Z), about 1 mm isotropic. ``brain_1mm``: mask on that
    grid. The atlas is registered to the scan; the ventricles are then taken from the scan itself (dark voxels
    that hang together with the atlas' ventricles), CSF is removed from the cortex. Does not raise for a strange
    scan: the returned map then has a ``problem`` and every lesion is "undetermined".
    """
    brain = np.asarray(brain_1mm.dataobj) > 0
    sizes = np.linalg.norm(brain_1mm.affine[:3, :3], axis=0)
    problem = _coverage_problem(brain, sizes)
    if problem:
        return _undetermined(flair_1mm, problem)

    box = bounding_box(brain, margin=2)
    assert box is not None, "a brain that covers enough is not empty"
    z = np.asarray(flair_1mm.dataobj, dtype=np.float32)[box]
    inside = brain[box]
    affine = flair_1mm.affine.copy()
    affine[:3, 3] = (flair_1mm.affine @ [*(part.start for part in box), 1.0])[:3]
    mask = nib.Nifti1Image(inside.astype(np.uint8), affine)
    try:
        fit = register_atlas(nib.Nifti1Image(z, affine), mask)
    except RuntimeError:
        return _undetermined(flair_1mm, _NO_FIT)
    atlas = warp_regions(fit, mask)
    complete = all(((atlas == region) & inside).any() for region in (CORTEX, WHITE_MATTER, VENTRICLES))
    fits = fit.correlation >= _WORST_CORRELATION and _SCALES[0] < fit.scale < _SCALES[1]
    if not (complete and fits):
        return _undetermined(flair_1mm, _NO_FIT)
    labels = refine_labels(z, inside, atlas, sizes)
    image = nib.Nifti1Image(_pasted(labels, brain.shape, box), flair_1mm.affine)
    return RegionMap(image, fit.correlation)


def refine_labels(z: np.ndarray, brain: np.ndarray, atlas: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Adapt warped atlas labels to what the scan shows.

    ``z``: z-scores, ``brain``: bool, ``atlas``: warped labels, all (X, Y, Z). ``sizes``: voxel size in mm.
    Returns labels as in :class:`RegionMap`, filled for every voxel of the brain.
    """
    from scipy import ndimage

    tissue = np.median(z[(atlas == WHITE_MATTER) & brain])
    csf = np.percentile(z[atlas == VENTRICLES], 10)
    dark = brain & (z < tissue + _CSF_SHARE * (csf - tissue))
    ventricles = _find_ventricles(dark, atlas, sizes) & brain

    labels = np.where(brain, atlas, 0).astype(np.uint8)
    labels[brain & (labels == 0)] = OUTER_CSF  # further outside the atlas' brain than any tissue can be
    # Bright voxels where the atlas expected ventricle are tissue.
    labels[labels == VENTRICLES] = WHITE_MATTER
    labels[dark & (labels != INFRATENTORIAL)] = OUTER_CSF
    labels[ventricles] = VENTRICLES
    surface = ~brain | (labels == OUTER_CSF)
    surface &= ~ndimage.binary_dilation(ventricles, iterations=2)
    labels[(labels == CORTEX) & (distance_to(surface, sizes) > _CORTEX_DEPTH_MM)] = WHITE_MATTER
    return labels


def classify(lesion_voxels: np.ndarray, region_map: RegionMap | None) -> Location:
    """Say in which region a lesion lies, by :data:`REGION_RULE`.

    ``lesion_voxels``: (N, 3) voxel coordinates on the map's grid, whole numbers or fractions; N >= 1.
    """
    if region_map is None:
        return Location(UNDETERMINED, None, "No brain atlas was fitted to this scan.")
    if region_map.problem:
        return Location(UNDETERMINED, None, region_map.problem)
    labels = np.asarray(region_map.labels.dataobj)
    voxels = np.clip(np.rint(lesion_voxels).astype(int), 0, np.array(labels.shape) - 1)
    share = float((labels[tuple(voxels.T)] == INFRATENTORIAL).mean())
    if share > 0.5:
        return Location(IN_INFRATENTORIAL, 0.0, f"{100 * share:.0f} % in brainstem or cerebellum")
    to_ventricles = region_map.distance_mm(voxels, VENTRICLES)
    if to_ventricles <= PERIVENTRICULAR_WITHIN_MM:
        return Location(PERIVENTRICULAR, to_ventricles, f"{to_ventricles:.1f} mm from the ventricles")
    to_cortex = region_map.distance_mm(voxels, CORTEX)
    if to_cortex <= JUXTACORTICAL_WITHIN_MM:
        return Location(JUXTACORTICAL, to_cortex, f"{to_cortex:.1f} mm from the cortex")
    return Location(
        DEEP_WHITE_MATTER,
        min(to_ventricles, to_cortex),
        f"{to_ventricles:.1f} mm from the ventricles, {to_cortex:.1f} mm from the cortex",
    )


def distance_to(mask: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the distance in mm (float32) from every voxel centre to the nearest voxel of ``mask``."""
    from scipy import ndimage

    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    return ndimage.distance_transform_edt(~mask, sampling=sizes).astype(np.float32)


def _find_ventricles(dark: np.ndarray, atlas: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return dark voxels near the atlas' ventricles that hang together with them and are not outer CSF."""
    from scipy import ndimage

    shape = atlas.shape
    expected = atlas == VENTRICLES
    box = bounding_box(expected, margin=int(np.ceil(_VENTRICLE_REACH_MM / sizes.min())) + 4)
    assert box is not None, "an atlas without ventricles was refused"
    expected, dark, atlas = expected[box], dark[box], atlas[box]
    near = distance_to(expected, sizes)
    candidates = dark & (atlas != INFRATENTORIAL) & (near <= _VENTRICLE_REACH_MM)
    candidates &= near <= distance_to(dark & (atlas == OUTER_CSF), sizes)
    labels, count = label_components(candidates, connectivity=6)
    connected = np.zeros(count + 1, dtype=bool)
    connected[np.unique(labels[expected & candidates])] = True
    connected[0] = False
    # Closing takes in choroid plexus and pulsation artefacts, which are bright.
    found = ndimage.binary_closing(np.pad(connected[labels], 2))[2:-2, 2:-2, 2:-2]
    return _pasted(found, shape, box)


def _coverage_problem(brain: np.ndarray, sizes: np.ndarray) -> str | None:
    box = bounding_box(brain)
    if box is None:
        return "The brain mask is empty, so the lesions' regions stay undetermined."
    millilitres = brain.sum() * np.prod(sizes) / 1000.0
    extents = [(part.stop - part.start) * size for part, size in zip(box, sizes, strict=True)]
    if millilitres < _SMALLEST_BRAIN_ML or min(extents) < _SMALLEST_EXTENT_MM:
        return (
            f"The scan shows too little of the brain ({millilitres:.0f} ml, {min(extents):.0f} mm in the "
            "shortest direction) to fit the brain atlas, so the lesions' regions stay undetermined."
        )
    return None


def _undetermined(grid: nib.Nifti1Image, problem: str) -> RegionMap:
    labels = nib.Nifti1Image(np.zeros(grid.shape, dtype=np.uint8), grid.affine)
    return RegionMap(labels, None, problem)


def _pasted(part: np.ndarray, shape: tuple[int, ...], box: tuple[slice, ...]) -> np.ndarray:
    whole = np.zeros(shape, dtype=part.dtype)
    whole[box] = part
    return whole
