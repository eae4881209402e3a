"""Where a scan lies in space, as far as its header says: two answers, one, or none."""

from __future__ import annotations

from itertools import product

import nibabel as nib
import numpy as np

from MSLesionSegLib.imaging.checks.scan_checks import InputWarning, in_mm

NO_POSITION = "no-position"
_TOLERANCE_MM = 0.1


def check_position_codes(name: str, header: nib.Nifti1Header) -> list[InputWarning]:
    """Compare the positions and the voxel sizes that a NIfTI header can hold.

    The sform is used where its code is above 0, else the qform: the order of nibabel, FSL and SPM. ITK, and with it
    3D Slicer and ANTs, may place the scan otherwise: see :func:`affine_of_itk`.
    """
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    if not is_placed(header):
        return [no_position(name, "LAS")]
    if sform_code <= 0:
        return []
    sform, shape = header.get_sform(), header.get_data_shape()[:3]
    viewer = affine_of_itk(header)
    seen_alike = viewer is not None and largest_distance(sform, viewer, shape) <= _TOLERANCE_MM
    qform = _qform(header)
    distance = np.inf if qform is None else largest_distance(sform, qform, shape)
    if qform_code > 0 and distance > _TOLERANCE_MM:
        amount = f"by up to {distance:.1f} mm" if np.isfinite(distance) else "(the qform is broken)"
        same_as_qform = viewer is not None and qform is not None and np.allclose(viewer, qform)
        elsewhere = "use the qform of this file" if same_as_qform else "place this file elsewhere"
        told = "as does 3D Slicer" if seen_alike else f"but 3D Slicer and ANTs {elsewhere}"
        return [
            InputWarning(
                "sform-qform-differ",
                f"{name} holds two positions in space that differ {amount}: sform and qform. The sform is used, "
                f"{told}. The mask keeps both, so it lies on the same voxels as the scan in every program.",
            )
        ]
    if seen_alike:
        return []
    edges = [in_mm(np.abs(header["pixdim"][1:4]), 2), in_mm(nib.affines.voxel_sizes(sform), 2)]
    return [
        InputWarning(
            "voxel-size-differs",
            f"{name} holds two voxel sizes: {edges[1]} in its sform, {edges[0]} in its pixdim. The sform is used, "
            "but 3D Slicer and ANTs show the scan and its mask with the other size. If lengths and volumes look "
            "wrong there, convert the scan again from the DICOM files.",
        )
    ]


def is_placed(header: nib.Nifti1Header) -> bool:
    """Whether a NIfTI header says where its voxels lie."""
    return max(int(header["sform_code"]), int(header["qform_code"])) > 0


def affine_of_itk(header: nib.Nifti1Header) -> np.ndarray | None:
    """Where ITK places a NIfTI file, RAS mm, and with it 3D Slicer and ANTs; None where it would not open it.

    ITK takes the sform if its code is 1 (scanner) or if there is no qform, and else the qform where the two differ;
    of either it takes the directions and the origin, and the voxel size always from pixdim (ITK 5.4,
    itkNiftiImageIO; observed for all 25 pairs of codes, and in Slicer's own reader of volumes).
    """
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    taken = header.get_sform() if sform_code == 1 or qform_code <= 0 else _qform(header)
    edges = np.abs(header["pixdim"][1:4]).astype(float)
    if taken is None or edges.min() == 0:
        return None
    taken = taken.copy()
    taken[:3, :3] *= edges / nib.affines.voxel_sizes(taken)
    return taken


def no_position(name: str, axes: str) -> InputWarning:
    """Say which directions are assumed where a file gives none.

    Args:
        axes: where the three voxel axes run to, such as "LAS" for left, front (anterior) and top (superior).
    """
    ways = {
        "L": "right to left",
        "A": "back to front",
        "P": "front to back",
        "S": "bottom to top",
        "I": "top to bottom",
    }
    first, second, third = (f"from {ways[axis]}" for axis in axes)
    viewer = "as 3D Slicer does too" if axes == "LPS" else "3D Slicer may assume others"
    return InputWarning(
        NO_POSITION,
        f"{name} does not say where right, front and top are. The default of its format is used: its axes run "
        f"{first}, {second} and {third} ({viewer}). Check left and right, front and back.",
    )


def largest_distance(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]) -> float:
    """Largest distance in mm between where two affines put the corners of a volume."""
    return float(np.sqrt((((first - second) @ corners(shape))[:3] ** 2).sum(axis=0)).max())


def corners(shape: tuple[int, ...]) -> np.ndarray:
    """Indices of the eight outermost voxels of a volume, homogeneous (4, 8)."""
    return np.array([[*corner, 1] for corner in product(*((0, size - 1) for size in shape))], dtype=float).T


def _qform(header: nib.Nifti1Header) -> np.ndarray | None:
    try:
        return header.get_qform()
    except (nib.spatialimages.HeaderDataError, ValueError, np.linalg.LinAlgError):
        return None
