"""Whether a brain mask can be a brain: its volume, and its shape and place against the atlas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from scipy import ndimage

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.grid import to_network_grid
from MSLesionSegLib.imaging.itk_conversion import to_itk
from MSLesionSegLib.lesions.atlas import ATLAS
from MSLesionSegLib.lesions.components import bounding_box
from MSLesionSegLib.network.brain_extraction import brain_mask

if TYPE_CHECKING:
    import SimpleITK as sitk

# Brains of 29 FLAIR scans of five public data sets (four are resampled copies): as a whole 1155 to 2115 ml, agreement
# from 0.864 up, asymmetry up to 0.011. 25 halves of five of them: agreement 0.645 to 0.788, and asymmetry from 0.079
# up where left or right is missing.
USUAL_ML = (800, 2300)
POSSIBLE_ML = (300, 2700)
LEAST_AGREEMENT, POSSIBLE_AGREEMENT = 0.82, 0.6
MOST_ASYMMETRY = 0.04
# A mask that a person gives against the brain that is found on the scan, as Dice: halves of it have 0.67, and the
# atlas' brain against itself moved upward by 54 mm has 0.45.
LEAST_OVERLAP, POSSIBLE_OVERLAP = 0.8, 0.5

_SURE_AGREEMENT = 0.9  # no scan whose axes were reversed reaches it
_REVERSED_GAIN = 0.02
_SPACING_MM = 5.0
_DEEP_MM, _FAR_MM = 10.0, 15.0
_AROUND_VOXELS = 8  # of the mask: air further away would drive the atlas out of the view
_AIR_MM = 100.0


@dataclass(frozen=True)
class BrainShape:
    """A brain mask beside the atlas' brain, which was moved, turned and scaled alike in all directions to fit it.

    Attributes:
        volume_ml: of the mask.
        whole_ml: of the fitted atlas, of which the field of view may show a part.
        agreement: Dice of both within the field of view, 0 to 1.
        asymmetry: difference of the volumes on both sides of the atlas' midplane, as far as the field of view shows
            both sides, relative to their sum, 0 to 1.
        missing: part of the atlas' brain more than 10 mm below its surface that the mask leaves out, 0 to 1.
        beyond_ml: of the mask, what lies more than 15 mm outside the atlas' brain, as a face does.
        reversed: the atlas fits better when it is turned upside down or back to front.
    """

    volume_ml: float
    whole_ml: float
    agreement: float
    asymmetry: float
    missing: float
    beyond_ml: float
    reversed: bool


def judge_brain(brain: nib.Nifti1Image, *, given: bool = False) -> tuple[InputWarning, ...]:
    """Judge a brain mask before anything is counted in it.

    Args:
        brain: uint8 (X, Y, Z), not empty.
        given: whether a person gave it.

    Returns:
        A finding where it is doubtful.

    Raises:
        ImageError: it cannot be a brain.
    """
    whose = "that was given" if given else "that was found"
    way_out = "Check that it is this scan's brain." if given else "Check the scan, or give a brain mask."
    shape = brain_shape(brain)
    if shape.volume_ml < POSSIBLE_ML[0] or max(shape.volume_ml, shape.whole_ml) > POSSIBLE_ML[1]:
        raise ImageError(
            f"The brain mask {whose} has {shape.volume_ml:.0f} ml, which no brain has. {way_out}"
        )
    if shape.agreement < POSSIBLE_AGREEMENT:
        raise ImageError(
            f"The brain mask {whose} does not look like a brain: its overlap with the atlas' brain is "
            f"{shape.agreement:.2f} (Dice), and brains reach {LEAST_AGREEMENT:.2f}. {way_out}"
        )
    doubts = shape_doubts(shape)
    if not USUAL_ML[0] <= shape.whole_ml <= USUAL_ML[1]:
        usual = f"{USUAL_ML[0]} to {USUAL_ML[1]} ml"
        doubts.append(f"as a whole it would have {shape.whole_ml:.0f} ml, and brains have {usual}")
    return (_doubtful(f"The brain mask {whose} is doubtful: {'; '.join(doubts)}."),) if doubts else ()


def judge_brain_of(title: str, brain: nib.Nifti1Image) -> tuple[InputWarning, ...]:
    """As :func:`judge_brain` for one of several scans, which every sentence names by ``title``."""
    try:
        return tuple(
            InputWarning(doubt.code, f"On the {title}: {doubt.sentence}") for doubt in judge_brain(brain)
        )
    except ImageError as error:
        raise ImageError(f"On the {title}: {error}") from error


def judge_given_brain(brain: nib.Nifti1Image, scan: nib.Nifti1Image) -> tuple[InputWarning, ...]:
    """As :func:`judge_brain` for a mask that a person gave, which is compared with the brain found on the scan."""
    if not np.any(brain.dataobj):
        raise ImageError("The brain mask that was given is empty. Give one that covers the brain.")
    doubts = judge_brain(brain, given=True)
    try:
        found = brain_mask(scan)
    except ImageError:  # the reason why people give a mask
        return doubts
    one, other = (np.asarray(mask.dataobj) > 0 for mask in (brain, found))
    overlap = dice(one, other)
    text = f"its overlap with the brain that is found on the scan is {overlap:.2f} (Dice)"
    if overlap < POSSIBLE_OVERLAP:
        raise ImageError(
            f"The brain mask that was given is not this scan's: {text}. Give the mask of this scan."
        )
    if overlap < LEAST_OVERLAP:
        doubts += (_doubtful(f"The brain mask that was given may not be this scan's: {text}."),)
    mirrored = max(dice(np.flip(one, axis), other) for axis in range(3))
    if mirrored > overlap + _REVERSED_GAIN:
        doubts += (
            _doubtful(
                f"The brain mask that was given may be mirrored: {text}, and {mirrored:.2f} if turned over."
            ),
        )
    return doubts


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of two bool masks on the same grid, 0 to 1; 0 for two empty ones."""
    return float(2 * (one & other).sum() / max(one.sum() + other.sum(), 1))


def shape_doubts(shape: BrainShape) -> list[str]:
    """What a shape has that brains have not, whatever its size, each as a part of a sentence."""
    doubts = []
    if shape.agreement < LEAST_AGREEMENT:
        doubts.append(
            f"its overlap with the atlas' brain is {shape.agreement:.2f} (Dice); brains reach {LEAST_AGREEMENT:.2f}"
        )
    if shape.asymmetry > MOST_ASYMMETRY:
        doubts.append(f"left and right differ by {shape.asymmetry:.0%}")
    if shape.reversed:
        doubts.append("it looks like a brain upside down or back to front, so the scan's header may be wrong")
    return doubts


def _doubtful(sentence: str) -> InputWarning:
    return InputWarning("brain-doubtful", f"{sentence} Look at its outline before you trust a count.")


def brain_shape(brain: nib.Nifti1Image) -> BrainShape:
    """Fit the atlas' brain to a mask (X, Y, Z), which is not empty; the same input gives the same bits."""
    import SimpleITK as sitk

    filled = np.asarray(brain.dataobj) > 0
    coarse = to_network_grid(nib.Nifti1Image(filled.astype(np.float32), brain.affine), _SPACING_MM)
    everywhere = to_network_grid(
        nib.Nifti1Image(np.ones(filled.shape, np.float32), brain.affine), _SPACING_MM
    )
    box = bounding_box(np.asarray(coarse.dataobj) >= 0.5, margin=_AROUND_VOXELS)
    if box is not None:
        coarse, everywhere = coarse.slicer[box], everywhere.slicer[box]
    fixed, atlas = to_itk(coarse), _atlas_brain()
    seen = to_itk(nib.Nifti1Image((np.asarray(everywhere.dataobj) > 0.99).astype(np.uint8), coarse.affine))
    transform, agreement, fitted = _best_fit(fixed, seen, atlas)
    inside, shown = (np.asarray(image.dataobj).T for image in (coarse, everywhere))
    inside, shown = inside >= 0.5, shown > 0.99
    deep = (ndimage.distance_transform_edt(fitted) * _SPACING_MM > _DEEP_MM) & shown
    far = ndimage.distance_transform_edt(~fitted) * _SPACING_MM > _FAR_MM

    inverse = transform.GetInverse()
    body, shown = (
        sitk.GetArrayFromImage(
            sitk.Resample(sitk.Cast(image, sitk.sitkFloat32), atlas, inverse, sitk.sitkLinear, 0.0)
        )
        for image in (fixed, seen)
    )
    body *= (shown > 0.5) & (shown > 0.5)[:, :, ::-1]
    middle = body.shape[2] // 2
    sides = float(body[:, :, :middle].sum()), float(body[:, :, -middle:].sum())
    return BrainShape(
        volume_ml=float(np.count_nonzero(filled) * abs(np.linalg.det(brain.affine[:3, :3])) / 1000),
        whole_ml=float(
            sitk.GetArrayViewFromImage(atlas).sum() * _SPACING_MM**3 / 1000 / transform.GetScale() ** 3
        ),
        agreement=agreement,
        asymmetry=abs(sides[0] - sides[1]) / max(sum(sides), 1e-6),
        missing=float((deep & ~inside).sum() / max(deep.sum(), 1)),
        beyond_ml=float(np.count_nonzero(inside & far) * _SPACING_MM**3 / 1000) if fitted.any() else np.inf,
        reversed=agreement < _SURE_AGREEMENT and _fits_reversed(fixed, seen, atlas, agreement),
    )


def _fits_reversed(fixed: sitk.Image, seen: sitk.Image, atlas: sitk.Image, agreement: float) -> bool:
    """Whether an atlas with its axes reversed fits clearly better: front to back, top to bottom, or both."""
    import SimpleITK as sitk

    for axes in ((False, False, True), (False, True, False), (False, True, True)):
        turned = sitk.Flip(atlas, axes)
        turned.CopyInformation(atlas)
        if _best_fit(fixed, seen, turned)[1] > agreement + _REVERSED_GAIN:
            return True
    return False


def _best_fit(
    fixed: sitk.Image, seen: sitk.Image, atlas: sitk.Image
) -> tuple[sitk.Similarity3DTransform, float, np.ndarray]:
    """The transform from mask to atlas with the highest Dice where the scan shows something, that, and the atlas."""
    import SimpleITK as sitk

    (low, high), (atlas_low, atlas_high) = _corners(fixed), _corners(atlas)
    middle = (atlas_low + atlas_high - low - high) / 2
    tops = [*middle[:2], atlas_high[2] - high[2]]  # nearly every scan shows the top of the brain
    inside, brain = (sitk.GetArrayFromImage(image) >= 0.5 for image in (seen, fixed))
    fits = []
    for shift in (middle.tolist(), tops):
        transform = sitk.Similarity3DTransform()
        transform.SetCenter(((low + high) / 2).tolist())
        transform.SetTranslation(shift)
        _optimise(transform, fixed, seen, atlas)
        fitted = sitk.GetArrayFromImage(sitk.Resample(atlas, fixed, transform, sitk.sitkLinear, 0.0)) >= 0.5
        fits.append((transform, dice(fitted & inside, brain & inside), fitted))
        if abs(tops[2] - middle[2]) < _SPACING_MM:
            break
    return max(fits, key=lambda fit: fit[1])


def _optimise(
    transform: sitk.Similarity3DTransform, fixed: sitk.Image, seen: sitk.Image, atlas: sitk.Image
) -> None:
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMeanSquares()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetMetricFixedMask(seen)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=4.0, minStep=0.05, numberOfIterations=60, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([1])
    method.SetSmoothingSigmasPerLevel([2.0 * _SPACING_MM])
    method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(True)
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, atlas)


def _corners(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest LPS coordinates (mm) of a mask."""
    import SimpleITK as sitk

    box = bounding_box(sitk.GetArrayFromImage(image) >= 0.5) or (slice(0, 1),) * 3
    ends = [[part.start for part in box], [part.stop - 1 for part in box]]
    points = np.array([image.TransformIndexToPhysicalPoint([int(i) for i in end[::-1]]) for end in ends])
    return points.min(axis=0), points.max(axis=0)


@lru_cache(maxsize=1)
def _atlas_brain() -> sitk.Image:
    """The atlas' brain (0 to 1) amid air, coarse, with the midplane between the two middle columns."""
    import SimpleITK as sitk

    image = nib.Nifti1Image.from_filename(ATLAS / "regions.nii.gz")
    filled = nib.Nifti1Image((np.asarray(image.dataobj) > 0).astype(np.float32), image.affine)
    brain = to_itk(to_network_grid(filled, _SPACING_MM))
    low, high = _corners(brain)
    low, high = np.floor((low - _AIR_MM) / _SPACING_MM), np.ceil((high + _AIR_MM) / _SPACING_MM)
    side = max(-low[0], high[0]) - 0.5
    grid = sitk.Image([int(2 * side + 1), *(int(n) for n in (high - low + 1)[1:])], sitk.sitkFloat32)
    grid.SetSpacing([_SPACING_MM] * 3)
    grid.SetOrigin([-side * _SPACING_MM, *(low[1:] * _SPACING_MM).tolist()])
    return sitk.Resample(brain, grid, sitk.Transform(), sitk.sitkLinear, 0.0)
