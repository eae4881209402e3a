"""What can be wrong with a scan, with a plain sentence each: refused as an ImageError or told as a InputWarning.

Sentences name the file and never repeat free text from its header, which may hold a patient's name.
"""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError

_MOST_SHEAR = 0.01
_EDGE_LIMITS_MM = (0.2, 10.0)
_THICK_SLICE_MM = 3.1
_SMALLEST_VIEW_MM = 40.0
_SMALL_VIEW_MM = 100.0
_LARGEST_VIEW_MM = 1000.0
_MOST_VOXELS = 2**29


@dataclass(frozen=True)
class InputWarning:
    """Something that a person should know about a scan and that does not stop the work."""

    code: str
    sentence: str


def check_shape(name: str, shape: tuple[int, ...]) -> None:
    """Refuse all but a 3D volume of several slices; axes of length 1 after the third are harmless."""
    if 0 in shape:
        raise ImageError(f"{name} holds no voxels ({times(shape)}). Export the scan again.")
    spatial, extra = shape[:3], shape[3:]
    volumes = int(np.prod(extra, dtype=np.int64))
    if len(spatial) == 3 and len(extra) > 1 and extra[0] == 1 and volumes > 1:
        raise several_values(name)
    if volumes > 1:
        raise ImageError(
            f"{name} has four dimensions: {volumes} volumes in one file. Save the one volume that you want "
            f"as its own file, for example the first with: fslroi {name} one_volume.nii.gz 0 1"
        )
    if len(spatial) < 3 or min(spatial) < 2:
        raise ImageError(
            f"{name} is a single 2D slice ({times(shape)}). Give the whole 3D scan with all its slices."
        )
    if np.prod(spatial, dtype=np.int64) > _MOST_VOXELS:
        raise ImageError(
            f"{name} is too large ({times(spatial)} voxels). Resample it to voxels of about 1 mm and try "
            "again."
        )


def several_values(name: str) -> ImageError:
    """Say that a voxel holds more than one number."""
    return ImageError(
        f"{name} holds several values in each voxel (a color picture, a vector field or a segmentation with "
        "layers). Give the original gray-scale scan."
    )


def check_value_type(name: str, dtype: np.dtype) -> None:
    """Refuse colour and complex voxels."""
    if dtype.names is not None:
        raise several_values(name)
    if dtype.kind == "c":
        raise ImageError(
            f"{name} holds complex numbers (raw k-space or phase data). Give the magnitude image."
        )


def check_affine(name: str, affine: np.ndarray) -> None:
    """Refuse a voxel-to-world matrix that is not a grid of boxes; oblique and left-handed grids are fine.

    Shear is the largest cosine between two voxel axes. Up to 1 % comes from rounding and gantry tilt that was
    corrected badly; it shifts a point by less than a voxel of most scans and is accepted.
    """
    axes = affine[:3, :3]
    spacing = np.sqrt((axes**2).sum(axis=0)) if np.isfinite(affine).all() else np.zeros(3)
    if spacing.min() > 0:
        cosines = (axes / spacing).T @ (axes / spacing)
        shear = float(np.abs(cosines - np.eye(3)).max())
        if abs(np.linalg.det(axes / spacing)) > 1e-3:
            if shear <= _MOST_SHEAR:
                return
            raise ImageError(
                f"{name} has voxel axes that are not at right angles (shear of {100 * shear:.1f} %), which "
                "3D Slicer refuses as well. Resample it to a straight grid, for example in Python with "
                "nibabel.processing.resample_to_output, or convert it again from the DICOM files with "
                "dcm2niix."
            )
    raise ImageError(
        f"{name} has an unusable position matrix: its voxels have no size or no volume. Convert it again "
        "from the DICOM files, for example with dcm2niix."
    )


def check_field_of_view(name: str, shape: tuple[int, ...], affine: np.ndarray) -> list[InputWarning]:
    """Judge voxel size and coverage, both in mm along the voxel axes."""
    edges = nib.affines.voxel_sizes(affine)
    view = edges * np.asarray(shape[:3])
    findings = []
    if view.min() < _SMALLEST_VIEW_MM:
        raise ImageError(
            f"{name} covers only {in_mm(view)}, which is too small for a brain. Check that it is the right "
            "scan, with all its slices, and that its voxel size is given in millimeters."
        )
    if view.max() > _LARGEST_VIEW_MM:
        raise ImageError(
            f"{name} covers {in_mm(view)}, which is more than a head. Its voxel size ({in_mm(edges, 2)}) is "
            "probably wrong: convert it again from the DICOM files."
        )
    if view.min() < _SMALL_VIEW_MM:
        findings.append(
            InputWarning(
                "small-coverage",
                f"{name} covers only {in_mm(view)}, so a part of the brain may be missing. Lesions outside "
                "are not counted.",
            )
        )
    if edges.min() < _EDGE_LIMITS_MM[0] or edges.max() > _EDGE_LIMITS_MM[1]:
        findings.append(
            InputWarning(
                "extreme-spacing",
                f"{name} has an unusual voxel size ({in_mm(edges, 2)}). The models were never tried on such "
                "scans: check the result.",
            )
        )
    elif edges.max() > _THICK_SLICE_MM:
        findings.append(
            InputWarning(
                "thick-slices",
                f"{name} has slices of {edges.max():.1f} mm ({in_mm(edges, 2)} voxels). Small lesions between "
                "two slices can be missed, and lesion volumes are coarse.",
            )
        )
    return findings


def check_units(name: str, header: nib.Nifti1Header, affine: np.ndarray) -> list[InputWarning]:
    """Judge a header that gives lengths in metres or micrometres; the numbers are never rescaled."""
    unit = {1: "metres", 3: "micrometres"}.get(int(header["xyzt_units"]) & 7)
    if unit is None:
        return []
    view = nib.affines.voxel_sizes(affine) * np.asarray(header.get_data_shape()[:3])
    if view.min() >= _SMALLEST_VIEW_MM and view.max() <= _LARGEST_VIEW_MM:
        return [
            InputWarning(
                "wrong-units",
                f"{name} says that its voxel size is in {unit}, but the numbers only make sense in "
                "millimeters. Millimeters are used; other programs may show the scan in another size.",
            )
        ]
    raise ImageError(
        f"{name} gives its voxel size in {unit}. Convert it to millimeters (again from the DICOM files, for "
        "example with dcm2niix) and try again."
    )


def check_scaling(name: str, slope: float, intercept: float) -> list[InputWarning]:
    """Judge the scaling of a NIfTI header: a slope of 0 means none, one that is no number is a fault."""
    if slope == 0 or (np.isfinite(slope) and np.isfinite(intercept)):
        return []
    return [
        InputWarning(
            "broken-scaling",
            f"{name} has a scaling in its header that is not a number. The stored values are used without "
            "scaling.",
        )
    ]


def check_stored_values(name: str, stored: np.ndarray) -> list[InputWarning]:
    """Look for integers that ran over the end of their type, in the numbers as the file stores them."""
    if stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2:
        limits = np.iinfo(stored.dtype)
        high = int(np.count_nonzero(stored >= 0.9 * limits.max))
        if limits.min < 0:
            wrapped = high > 0 and stored.min() <= 0.9 * limits.min
        else:
            between = np.count_nonzero((stored > 0.5 * limits.max) & (stored < 0.9 * limits.max))
            wrapped = 20 <= high < 0.5 * stored.size and between == 0
        if wrapped:
            raise ImageError(
                f"{name} holds values that overflowed their {limits.bits}-bit type, so that bright "
                "became dark or dark became bright. Export the scan again as floating point or with more "
                "bits."
            )
    highest = stored.max()
    clipped = int(np.count_nonzero(stored == highest))
    foreground = int(np.count_nonzero(stored > stored.min()))
    if np.isfinite(highest) and foreground > 0 and clipped > max(20, 1e-3 * foreground):
        return [
            InputWarning(
                "clipped",
                f"{name} is clipped at its highest value: {clipped} voxels "
                f"({100 * clipped / foreground:.1f} % of what is not background) share it. If lesions are "
                "among them, their borders may be wrong.",
            )
        ]
    return []


def check_contrast(name: str, data: np.ndarray) -> None:
    """Refuse an image without content, and a mask in place of an image."""
    low, high = float(data.min()), float(data.max())
    if low == high:
        what = "is empty: every voxel is 0" if low == 0 else f"is constant: every voxel has the value {low:g}"
        raise ImageError(f"{name} {what}. Check the export of this scan.")
    if low < -255 or high > 255:
        return
    # A sample decides for nearly all scans, so that a large scan need not be sorted.
    for values in (data.ravel()[:: max(1, data.size // 100_000)], data):
        different = np.unique(values)
        if different.size > 10 or not np.array_equal(different, np.round(different)):
            return
    raise ImageError(
        f"{name} holds only {different.size} different values, so it is a mask or a label map and not a "
        "scan. Give the scan."
    )


def check_sequence(name: str, image: nib.Nifti1Image, sequence: str | None) -> list[InputWarning]:
    """Compare the sequence that was asked for with what the intensities look like."""
    if sequence is None:
        return []
    from MSLesionSegLib.imaging.checks.sequence_guess import guess_sequence

    guess = guess_sequence(image)
    if guess is None or guess == sequence:
        return []
    reason = {
        "T1w": "looks like a T1-weighted scan: its white matter is brighter than its cortex",
        "FLAIR": "does not look like a T1-weighted scan: its cortex is brighter than its white matter",
    }[guess]
    wanted = "a FLAIR" if sequence == "FLAIR" else "a T1-weighted scan"
    return [
        InputWarning(
            "wrong-sequence",
            f"{name} was given as {wanted} but {reason}. If it is the wrong file, the result is worthless: "
            "check it.",
        )
    ]


def times(shape: tuple[int, ...]) -> str:
    """A shape for people: ``256 x 256 x 40``."""
    return " x ".join(str(size) for size in shape)


def in_mm(lengths: np.ndarray, digits: int = 0) -> str:
    """Lengths for people: ``1.00 x 1.00 x 3.00 mm``."""
    return (
        " x ".join(f"{length:.{digits}f}" if length < 1e6 else f"{length:.0e}" for length in lengths) + " mm"
    )
