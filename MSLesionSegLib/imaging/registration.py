"""Registration of one scan to another by ANTs, and the one resampling that follows.

ANTs: Avants et al., NeuroImage 2011;54:2033-2044. It is imported inside functions only and must never run within
Slicer's own process.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError, MissingPackageError, SettingsError
from MSLesionSegLib.imaging.grid import to_network_grid
from MSLesionSegLib.imaging.itk_conversion import from_itk, to_itk
from MSLesionSegLib.jobs.progress import Progress, Silent

if TYPE_CHECKING:
    import SimpleITK as sitk

STAGE = "register"
REGISTRATION_METHODS = ("rigid", "affine", "restricted-syn", "full-syn")

# Brains move, but not by a fraction of a voxel at 8 mm: three levels find the pose, a fourth only costs time.
_LEVELS_MM = (4.0, 2.5, 1.2)
_ITERATIONS = (500, 250, 100)
# The deformation works on 2 mm voxels, in few small steps, and both the steps and their sum are smoothed: what is as
# small as a lesion cannot be deformed away. Mutual information, which suits the pose, made it worse than none on
# thick slices; a sum that is not smoothed swelled single places 37-fold.
_DEFORMATION_SPACING_MM = 2.0
_RESTRICTED = {
    "syn_metric": "CC",
    "syn_sampling": 3,
    "reg_iterations": (20, 10, 0),
    "grad_step": 0.1,
    "flow_sigma": 3,
    "total_sigma": 1,
}
_MARGIN_MM = 6.0


@dataclass(frozen=True, eq=False)
class Registration:
    """How a moving scan lies in the space of a fixed one.

    Attributes:
        forward: maps points of the fixed scan to points of the moving one (LPS mm, as in ITK), which is the
            direction that resampling needs.
        backward: maps points of the moving scan to points of the fixed one.
        preset: how it was found.
        score: normalised cross-correlation of both scans within the fixed scan's mask, -1 to 1; NaN where
            they do not overlap.
        largest_jacobian: largest factor by which a place grows or shrinks, 1 or more; 1 for a rigid one.
    """

    forward: sitk.Transform
    backward: sitk.Transform
    preset: str
    score: float
    largest_jacobian: float

    def apply(
        self,
        image: nib.Nifti1Image,
        reference: nib.Nifti1Image,
        interpolation: Literal["linear", "nearest"] = "linear",
    ) -> nib.Nifti1Image:
        """Resample an image of the moving scan's space onto a grid in the fixed scan's space, once.

        Returns:
            float32 (linear) or the image's own type (nearest) on the grid of ``reference``; 0 outside the field
            of view.
        """
        import SimpleITK as sitk

        smooth = interpolation == "linear"
        data = np.asarray(image.dataobj, dtype=np.float32) if smooth else np.asarray(image.dataobj)
        grid = to_itk(nib.Nifti1Image(np.zeros(reference.shape[:3], np.uint8), reference.affine))
        moved = sitk.Resample(
            to_itk(nib.Nifti1Image(data, image.affine)),
            grid,
            self.forward,
            sitk.sitkLinear if smooth else sitk.sitkNearestNeighbor,
            0.0,
        )
        return from_itk(moved, reference.affine)

    @property
    def inverse(self) -> Registration:
        """The way back: from the space of the fixed scan to that of the moving one."""
        return Registration(
            self.backward, self.forward, self.preset, self.score, largest_jacobian=self.largest_jacobian
        )


def register(
    moving: nib.Nifti1Image,
    fixed: nib.Nifti1Image,
    *,
    preset: str = "rigid",
    moving_mask: nib.Nifti1Image | None = None,
    fixed_mask: nib.Nifti1Image | None = None,
    progress: Progress | None = None,
) -> Registration:
    """Register a scan to another one of the same head by mutual information; the same input gives the same output.

    Args:
        moving, fixed: scans (X, Y, Z) of any contrast, orientation and spacing.
        preset: ``rigid``; ``affine``; ``restricted-syn``, rigid and then a deformation of few coarse levels;
            ``full-syn``, affine and then the usual SyN.
        moving_mask, fixed_mask: brain masks on the grids of the scans. With both, the start is the shift under
            which the brains overlap best, and only the brain counts.
        progress: told the stage ``register``.

    Raises:
        ImageError: the scans cannot be registered.
        MissingPackageError: antspyx is not installed.
        SettingsError: unknown preset.
    """
    if preset not in REGISTRATION_METHODS:
        raise SettingsError(
            f"There is no registration '{preset}'. Known ones: {', '.join(REGISTRATION_METHODS)}."
        )
    (progress or Silent()).stage(STAGE)
    ants = _ants()
    still, moved = _to_ants(ants, fixed), _to_ants(ants, moving)
    masks = {} if fixed_mask is None else _metric_mask(ants, _widened(fixed_mask))
    with tempfile.TemporaryDirectory(prefix="registration-") as folder:
        start: dict[str, Any] = {}
        if fixed_mask is not None and moving_mask is not None:
            start["initial_transform"] = [str(_best_shift(fixed_mask, moving_mask, Path(folder)))]

        def run(kind: str, **settings: Any) -> dict[str, Any]:
            return ants.registration(still, moved, kind, outprefix=f"{folder}/{kind}-", **masks, **settings)

        try:
            if preset == "rigid":
                found = run("Rigid", **start, **_linear(fixed))
            elif preset == "affine":
                found = run("Affine", **start, **_linear(fixed))
            elif preset == "restricted-syn":
                rigid = run("Rigid", **start, **_linear(fixed))["fwdtransforms"]
                still, moved, masks = _coarse(ants, fixed, moving, fixed_mask)
                found = run("SyNOnly", initial_transform=list(rigid), **_RESTRICTED)
            else:
                found = run("SyN", **start)
        except RuntimeError as error:
            raise ImageError(
                f"The two scans could not be registered ({error}). Check that both show the same patient's brain."
            ) from error
        return _read(found, preset, moving, fixed, fixed_mask)


def _ants() -> Any:
    """The library, told to work in one thread from one seed."""
    try:
        import ants
    except ImportError as error:
        raise MissingPackageError(
            "Registration needs the package antspyx, which is not installed. Install it with: "
            "pip install --only-binary=:all: antspyx"
        ) from error
    ants.config.set_ants_deterministic(True, 1)
    return ants


def _to_ants(ants: Any, image: nib.Nifti1Image) -> Any:
    lps = np.diag([-1.0, -1.0, 1.0]) @ image.affine[:3]
    spacing = np.linalg.norm(lps[:, :3], axis=0)
    return ants.from_numpy(
        np.asarray(image.dataobj, dtype=np.float32),
        origin=lps[:, 3].tolist(),
        spacing=spacing.tolist(),
        direction=lps[:, :3] / spacing,
    )


def _metric_mask(ants: Any, mask: nib.Nifti1Image) -> dict[str, Any]:
    return {"mask": _to_ants(ants, mask), "mask_all_stages": True}


def _linear(fixed: nib.Nifti1Image) -> dict[str, Any]:
    """Levels of a rigid or affine registration in voxels of the fixed scan."""
    edge = float(min(nib.affines.voxel_sizes(fixed.affine)))
    return {
        "aff_iterations": _ITERATIONS,
        "aff_shrink_factors": tuple(max(1, round(level / edge)) for level in _LEVELS_MM),
        "aff_smoothing_sigmas": tuple(round(level / edge / 2, 2) for level in _LEVELS_MM),
    }


def _coarse(
    ants: Any, fixed: nib.Nifti1Image, moving: nib.Nifti1Image, fixed_mask: nib.Nifti1Image | None
) -> tuple[Any, Any, dict[str, Any]]:
    """Both scans and the mask with coarse isotropic voxels."""
    still, moved = (to_network_grid(image, _DEFORMATION_SPACING_MM) for image in (fixed, moving))
    if fixed_mask is None:
        return _to_ants(ants, still), _to_ants(ants, moved), {}
    soft = nib.Nifti1Image(np.asarray(fixed_mask.dataobj, np.float32), fixed_mask.affine)
    inside = np.asarray(to_network_grid(soft, _DEFORMATION_SPACING_MM).dataobj) > 0.5
    mask = _widened(nib.Nifti1Image(inside.astype(np.uint8), still.affine))
    return _to_ants(ants, still), _to_ants(ants, moved), _metric_mask(ants, mask)


def _widened(mask: nib.Nifti1Image) -> nib.Nifti1Image:
    """The mask with its surroundings: the edge of the brain says most about the pose."""
    from scipy.ndimage import distance_transform_edt

    away = distance_transform_edt(
        np.asarray(mask.dataobj) == 0, sampling=nib.affines.voxel_sizes(mask.affine)
    )
    return nib.Nifti1Image((away <= _MARGIN_MM).astype(np.uint8), mask.affine)


def _best_shift(fixed_mask: nib.Nifti1Image, moving_mask: nib.Nifti1Image, folder: Path) -> Path:
    """Write the shift under which two brains overlap best: none, centre on centre, or top on top.

    Scans of one scanner often agree as they are; where one of them ends below the brain its top is the safer mark.
    """
    import SimpleITK as sitk

    fixed, moving = _points(fixed_mask), _points(moving_mask)
    centre = moving.mean(0) - fixed.mean(0)
    top = np.array([*centre[:2], moving[:, 2].max() - fixed[:, 2].max()])
    inverse = np.linalg.inv(moving_mask.affine)
    inside = np.asarray(moving_mask.dataobj) > 0

    def overlap(shift: np.ndarray) -> float:
        index = np.rint(nib.affines.apply_affine(inverse, fixed + shift)).astype(int)
        valid = ((index >= 0) & (index < inside.shape)).all(1)
        return float(inside[tuple(index[valid].T)].sum())

    best = max((np.zeros(3), centre, top), key=overlap)
    transform = sitk.AffineTransform(3)
    transform.SetTranslation((best * [-1, -1, 1]).tolist())
    path = folder / "start.mat"
    sitk.WriteTransform(transform, str(path))
    return path


def _points(mask: nib.Nifti1Image, most: int = 20_000) -> np.ndarray:
    """World coordinates (N, 3), RAS mm, of evenly drawn voxels of a mask."""
    voxels = np.argwhere(np.asarray(mask.dataobj) > 0)
    if not len(voxels):
        raise ImageError("A brain mask is empty, so the scans cannot be registered.")
    return nib.affines.apply_affine(mask.affine, voxels[:: max(1, len(voxels) // most)])


def _read(
    found: dict[str, Any],
    preset: str,
    moving: nib.Nifti1Image,
    fixed: nib.Nifti1Image,
    fixed_mask: nib.Nifti1Image | None,
) -> Registration:
    """Take what ANTs wrote into memory and judge it."""
    import SimpleITK as sitk

    files = [Path(file) for file in found["fwdtransforms"]]
    linear = sitk.ReadTransform(str(next(file for file in files if file.suffix == ".mat")))
    linear = sitk.AffineTransform(linear) if preset == "affine" else linear
    matrix = np.reshape(sitk.AffineTransform(linear).GetMatrix(), (3, 3)) if preset != "rigid" else np.eye(3)
    determinant = float(np.linalg.det(matrix))
    jacobian = max(determinant, 1 / determinant)
    forward, backward = [linear], [linear.GetInverse()]
    warps = [file for file in files if file.name.endswith("Warp.nii.gz")]
    if warps:
        field = _field(warps[0])
        inverse = _field(warps[0].with_name(warps[0].name.replace("Warp", "InverseWarp")))
        change = _volume_changes(field, fixed_mask) * determinant
        lowest = max(float(change.min()), 1e-3)  # folded space counts as shrunken a thousand times
        jacobian = max(float(change.max()), 1 / lowest)
        forward.append(sitk.DisplacementFieldTransform(field))
        backward.insert(0, sitk.DisplacementFieldTransform(inverse))
    # a composite applies its last part first
    both = Registration(
        sitk.CompositeTransform(forward), sitk.CompositeTransform(backward), preset, np.nan, jacobian
    )
    moved = np.asarray(both.apply(moving, fixed).dataobj)
    seen = np.asarray(
        both.apply(nib.Nifti1Image(np.ones(moving.shape[:3], np.float32), moving.affine), fixed).dataobj
    )
    inside = seen > 0.99
    if fixed_mask is not None:
        inside &= np.asarray(fixed_mask.dataobj) > 0
    score = correlation(moved[inside], np.asarray(fixed.dataobj, dtype=np.float32)[inside])
    return Registration(both.forward, both.backward, preset, score, jacobian)


def _volume_changes(field: sitk.Image, mask: nib.Nifti1Image | None) -> np.ndarray:
    """Jacobian determinants of a displacement field, those inside the mask."""
    import SimpleITK as sitk

    change = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(field))
    if mask is None:
        return change.ravel()
    brain = to_itk(nib.Nifti1Image((np.asarray(mask.dataobj) > 0).astype(np.uint8), mask.affine))
    nearest = sitk.Resample(brain, field, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    return change[sitk.GetArrayFromImage(nearest) > 0]


def _field(path: Path) -> sitk.Image:
    import SimpleITK as sitk

    return sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkVectorFloat64)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Normalised cross-correlation of two lists of values; NaN if one is constant or empty."""
    if first.size < 2 or first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
