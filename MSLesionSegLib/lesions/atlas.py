"""The shipped brain atlas (Resources/Atlas) and its registration to a patient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from MSLesionSegLib.imaging.itk_conversion import to_itk
from MSLesionSegLib.lesions.components import bounding_box
from MSLesionSegLib.resources import RESOURCES

if TYPE_CHECKING:
    import SimpleITK as sitk

ATLAS = RESOURCES / "Atlas"
OUTER_CSF, CORTEX, WHITE_MATTER, VENTRICLES, INFRATENTORIAL = 1, 2, 3, 4, 5

# CSF and everything outside the brain get one value, and all tissue above the mean of the brain another: so
# neither the edge of the brain mask nor the lesions pull the atlas, and the ventricles and sulci lead.
_DARKEST_Z, _BRIGHTEST_Z = -2.5, 0.0
_AFFINE_SPACING_MM, _DEFORMABLE_SPACING_MM = 5.0, 3.0
_MARGIN_MM = 6.0
_WHOLE_BRAIN_MM = 120.0
_CUT_AREA_MM2 = 4000.0
_DEMONS_ITERATIONS, _DEMONS_SMOOTHING_VOXELS = 25, 1.0


@dataclass(frozen=True)
class AtlasFit:
    """Where the atlas lies in the patient.

    ``transform``: from patient points to MNI152 points (mm, LPS as in ITK). ``correlation``: of the patient's
    and the atlas' intensities inside the patient's brain, -1 to 1; NaN if one of them is constant. ``scale``:
    volume of the atlas' brain relative to the patient's by the affine part.
    """

    transform: sitk.Transform
    correlation: float
    scale: float


def register_atlas(flair: nib.Nifti1Image, brain: nib.Nifti1Image) -> AtlasFit:
    """Register the atlas to a patient: affine by correlation, then a smooth deformation by demons.

    ``flair``: z-scored in the brain, (X, Y, Z). ``brain``: mask on the same grid, not empty.
    One thread and no random sampling: the same input gives the same bits on the same machine.
    Demons after Vercauteren et al., NeuroImage 2009;45:S61-S72, as in SimpleITK.
    Raises RuntimeError for a brain that cannot be registered: all dark, or ITK finds no overlap.
    """
    import SimpleITK as sitk

    from MSLesionSegLib.imaging.grid import to_network_grid

    darkness = nib.Nifti1Image(_contrast(np.asarray(flair.dataobj), np.asarray(brain.dataobj)), flair.affine)
    template = _template()
    coarse = _framed(to_itk(to_network_grid(darkness, _AFFINE_SPACING_MM)))
    affine = _register_affine(coarse, template)

    fine = _framed(to_itk(to_network_grid(darkness, _DEFORMABLE_SPACING_MM)))
    demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    demons.SetNumberOfThreads(1)
    demons.SetNumberOfIterations(_DEMONS_ITERATIONS)
    demons.SetSmoothDisplacementField(True)
    demons.SetStandardDeviations(_DEMONS_SMOOTHING_VOXELS)
    field = demons.Execute(fine, sitk.Resample(template, fine, affine, sitk.sitkLinear, 0.0))
    warp = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    transform = sitk.CompositeTransform([affine, warp])

    patient = sitk.GetArrayFromImage(fine)
    fitted = sitk.GetArrayFromImage(sitk.Resample(template, fine, transform, sitk.sitkLinear, 0.0))
    inside = patient > 0
    with np.errstate(invalid="ignore"):
        correlation = float(np.corrcoef(patient[inside], fitted[inside])[0, 1])
    return AtlasFit(
        transform=transform,
        correlation=correlation,
        scale=float(np.linalg.det(np.reshape(affine.GetMatrix(), (3, 3)))),
    )


def warp_regions(fit: AtlasFit, grid: nib.Nifti1Image) -> np.ndarray:
    """Return the atlas' region labels (uint8, X, Y, Z) at the voxel centres of ``grid``, 0 outside it."""
    import SimpleITK as sitk

    reference = to_itk(nib.Nifti1Image(np.zeros(grid.shape, np.uint8), grid.affine))
    atlas = to_itk(nib.Nifti1Image.from_filename(ATLAS / "regions.nii.gz"))
    warped = sitk.Resample(atlas, reference, fit.transform, sitk.sitkNearestNeighbor, 0)
    return np.ascontiguousarray(sitk.GetArrayFromImage(warped).T)


def _contrast(z: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Clip z-scores and shift them so that CSF and the outside of the brain are 0 (float32)."""
    clipped = np.clip(z, _DARKEST_Z, _BRIGHTEST_Z) - _DARKEST_Z
    return np.where(brain > 0, clipped, 0.0).astype(np.float32)


def _register_affine(patient: sitk.Image, template: sitk.Image) -> sitk.AffineTransform:
    """Register from the tops of both brains, which nearly every scan shows; if a part is missing also from below."""
    (patient_low, patient_high), (low, high) = _corners(patient), _corners(template)
    centre = (patient_low + patient_high) / 2
    from_top = (low + high) / 2 - centre
    from_top[2] = high[2] - patient_high[2]
    shifts = [from_top]
    if patient_high[2] - patient_low[2] < _WHOLE_BRAIN_MM:
        shifts.append(np.array([*from_top[:2], low[2] - patient_low[2]]))
    return min((_optimise(patient, template, centre, shift) for shift in shifts), key=lambda found: found[1])[
        0
    ]


def _optimise(
    patient: sitk.Image, template: sitk.Image, centre: np.ndarray, shift: np.ndarray
) -> tuple[sitk.AffineTransform, float]:
    """Return the affine transform found from one start, and its metric (the lower, the better)."""
    import SimpleITK as sitk

    affine = sitk.AffineTransform(3)
    affine.SetCenter(centre.tolist())
    affine.SetTranslation(shift.tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0,
        minStep=1e-3,
        numberOfIterations=60,
        relaxationFactor=0.6,
        gradientMagnitudeTolerance=1e-6,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([4.0, 2.0])
    method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(True)
    method.SetInitialTransform(affine, inPlace=True)
    method.Execute(patient, template)
    return affine, method.GetMetricValue()


def _corners(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest LPS coordinates (mm) of what is brighter than the background."""
    import SimpleITK as sitk

    box = bounding_box(sitk.GetArrayFromImage(image) > 0.5)
    if box is None:
        raise RuntimeError("nothing is brighter than the background")
    ends = [[part.start for part in box], [part.stop - 1 for part in box]]
    points = np.array([image.TransformIndexToPhysicalPoint([int(i) for i in end[::-1]]) for end in ends])
    return points.min(axis=0), points.max(axis=0)


def _framed(image: sitk.Image) -> sitk.Image:
    """Put background around the brain, but none where the field of view cuts through it (below, above).

    Background there would tell the registration that the brain ends at the cut, and squeeze the atlas.
    """
    import SimpleITK as sitk

    filled = sitk.GetArrayFromImage(image) > 0.5 * (_BRIGHTEST_Z - _DARKEST_Z)
    box = bounding_box(filled)
    if box is None:
        return image
    spacing = image.GetSpacing()
    areas = filled.sum(axis=(1, 2)) * spacing[0] * spacing[1]
    margins = [int(np.ceil(_MARGIN_MM / size)) for size in spacing]
    below = 0 if areas[box[0].start] > _CUT_AREA_MM2 else margins[2]
    above = 0 if areas[box[0].stop - 1] > _CUT_AREA_MM2 else margins[2]
    start = [box[2].start, box[1].start, box[0].start]
    stop = [box[2].stop, box[1].stop, box[0].stop]
    brain = image[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]]
    return sitk.ConstantPad(brain, [*margins[:2], below], [*margins[:2], above], 0.0)


@lru_cache(maxsize=1)
def _template() -> sitk.Image:
    """Return the atlas' FLAIR-like template in the contrast of :func:`_contrast`."""
    image = nib.Nifti1Image.from_filename(ATLAS / "flair.nii.gz")
    stored = np.asarray(image.dataobj, dtype=np.float32)
    return to_itk(nib.Nifti1Image(_contrast((stored - 150.0) / 50.0, stored), image.affine))
