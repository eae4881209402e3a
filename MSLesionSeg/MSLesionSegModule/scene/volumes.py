"""Volume nodes and files: where a volume's file is, and the way between its grid and the node's grid.

Slicer's readers keep the axes of most files, but reverse the third one of left-handed files. So a mask of Slicer is
brought back onto the file's own grid before it is written, and what the core writes is brought onto Slicer's.
"""

from pathlib import Path

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.files.checksums import file_sha256

from .dicomSeries import seriesFiles
from .distortion import refuseDistorted

ROLE = "MSLesionSeg.Role"  # attribute of volumes that this module made
_NIFTI = (".nii", ".nii.gz")
_SAME_MM = 1e-2  # headers hold single precision: a corner of the scan may be off by less than this


def affineOf(volumeNode) -> np.ndarray:
    """Voxel (i, j, k) to RAS in mm, without the node's transform."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def voxelsOf(volumeNode) -> np.ndarray:
    """Voxels as (i, j, k); a view."""
    return slicer.util.arrayFromVolume(volumeNode).T


def sourceFile(volumeNode, folder: Path, name: str) -> Path:
    """The file that a volume stands for.

    This is the NIfTI file that it was loaded from, if it is still the same image; otherwise the volume is written
    into ``folder`` as ``NAME.nii.gz``, on the grid that Slicer has it on.

    Raises:
        ImageError: the volume holds no image, or lies under a transform that changes its size or shape.
    """
    if volumeNode is None or volumeNode.GetImageData() is None:
        raise ImageError(_("This volume holds no image. Choose another one."))
    refuseDistorted(volumeNode)
    path = _fileOf(volumeNode)
    if path and path.name.lower().endswith(_NIFTI):
        try:
            _onto(_emptyLike(path), _affineOfFile(path), affineOf(volumeNode), _shapeOf(volumeNode))
            return path
        except ImageError:
            pass  # the header has two positions and Slicer took the other one: what Slicer shows counts
    return writeVolume(voxelsOf(volumeNode), affineOf(volumeNode), folder / f"{name}.nii.gz")


def digestOf(volumeNode) -> str:
    """SHA-256 of the file, or of the DICOM series, that a volume was loaded from, by which the core knows scans.

    Empty where there is no such file, or it may not be read.
    """
    series = seriesFiles(volumeNode)
    path = _fileOf(volumeNode)
    try:
        if series:
            from MSLesionSegLib.imaging.dicom.series import series_sha256

            return series_sha256(series)
        return file_sha256(path) if path else ""
    except OSError:
        return ""


def remove(node) -> None:
    """Take a volume or a segmentation out of the scene, and then what came along with it.

    In this order, since 3D views use a segmentation's display node until they hear that the segmentation has gone.
    """
    along = (node.GetStorageNode(), node.GetDisplayNode())
    for part in (node, *along):
        if part is not None and slicer.mrmlScene.IsNodePresent(part):
            slicer.mrmlScene.RemoveNode(part)


def writeVolume(voxels: np.ndarray, affine: np.ndarray, path: Path) -> Path:
    """Write voxels (i, j, k) as a NIfTI file that holds nothing but image and geometry."""
    import nibabel as nib

    if voxels.dtype == np.int64 or voxels.dtype == np.uint64 or voxels.dtype == bool:
        voxels = voxels.astype(np.int32)
    image = nib.Nifti1Image(np.ascontiguousarray(voxels), affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def ontoNode(data: np.ndarray, affine: np.ndarray, volumeNode) -> np.ndarray:
    """Reorder voxels of a file (i, j, k) into those of the volume node; no value changes.

    Raises:
        ImageError: the two do not have the same voxels.
    """
    return _onto(data, affine, affineOf(volumeNode), _shapeOf(volumeNode))


def ontoFile(data: np.ndarray, volumeNode, path: Path) -> np.ndarray:
    """Reorder voxels of the volume node (i, j, k) into those of the file; no value changes.

    Raises:
        ImageError: the two do not have the same voxels.
    """
    return _onto(data, affineOf(volumeNode), _affineOfFile(path), _emptyLike(path).shape)


def addVolume(voxels: np.ndarray, affine: np.ndarray, name: str, role: str):
    """Add a scalar volume (i, j, k) that this module needs; it is saved with the scene, but shown in no list."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    fill(node, voxels, affine)
    node.SetAttribute(ROLE, role)
    node.SetHideFromEditors(True)
    return node


def fill(volumeNode, voxels: np.ndarray, affine: np.ndarray) -> None:
    """Give a volume node voxels (i, j, k) and their place in RAS."""
    slicer.util.updateVolumeFromArray(volumeNode, np.ascontiguousarray(voxels.T))
    volumeNode.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.asarray(affine, float)))


def _fileOf(volumeNode) -> Path | None:
    """The file that a volume was loaded from, if it is still there and the volume still shows it."""
    storage = volumeNode.GetStorageNode()
    path = Path(storage.GetFullNameFromFileName()) if storage and storage.GetFileName() else None
    return path if path and path.is_file() and not volumeNode.GetModifiedSinceRead() else None


def _shapeOf(volumeNode) -> tuple[int, int, int]:
    return tuple(volumeNode.GetImageData().GetDimensions())


def _affineOfFile(path: Path) -> np.ndarray:
    import nibabel as nib

    return nib.load(path).affine


def _emptyLike(path: Path) -> np.ndarray:
    import nibabel as nib

    # no memory is touched: only the shape counts
    return np.broadcast_to(np.uint8(0), nib.load(path).shape[:3])


def _onto(data: np.ndarray, affine: np.ndarray, wanted: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

    between = np.linalg.solve(wanted, affine)
    orientation = io_orientation(between)
    if data.ndim != 3 or np.isnan(orientation).any():
        raise ImageError(_("The volume and its result do not have the same voxels."))
    there = affine @ inv_ornt_aff(orientation, data.shape)
    reordered = apply_orientation(data, orientation)
    if reordered.shape != tuple(shape) or _farthest(there, wanted, shape) > _SAME_MM:
        raise ImageError(_("The volume and its result do not have the same voxels."))
    return reordered


def _farthest(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Largest distance in mm between the corners of the scan by either matrix."""
    corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)]) * [*np.subtract(shape, 1), 1]
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())
