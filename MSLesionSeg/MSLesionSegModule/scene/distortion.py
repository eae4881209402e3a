"""Transforms that change a scan's size or shape, such as the one that Slicer gives uneven or tilted DICOM slices.

The scan's own voxels are segmented. A transform that only turns and moves them changes no lesion; under any other one
what is shown is not what would be measured.
"""

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from MSLesionSegLib.errors import ImageError

from . import baselineTransform

_SAME = 1e-3  # of the squares of lengths, and of the cosines between axes


def refuseDistorted(volumeNode) -> None:
    """Let a scan pass that lies under no transform, a rigid one, or where this module put it.

    Raises:
        ImageError: a transform scales, mirrors, shears or bends it.
    """
    parent = volumeNode.GetParentTransformNode()
    if parent is None or baselineTransform.isPlaced(volumeNode):
        return
    if not parent.IsTransformToWorldLinear():
        raise _distorted(volumeNode, parent, _harden())
    matrix = _toWorld(parent)
    if np.allclose(matrix.T @ matrix, np.eye(3), atol=_SAME) and np.linalg.det(matrix) > 0:
        return
    grid = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASDirectionMatrix(grid)
    straight = _straight(matrix @ slicer.util.arrayFromVTKMatrix(grid)[:3, :3])
    raise _distorted(volumeNode, parent, _harden() if straight else _resample())


def _toWorld(transform) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)[:3, :3]


def _straight(axes: np.ndarray) -> bool:
    """Whether axes (columns) are at right angles."""
    unit = axes / np.linalg.norm(axes, axis=0)
    return np.allclose(unit.T @ unit, np.eye(3), atol=_SAME)


def _distorted(volumeNode, transform, advice: str) -> ImageError:
    return ImageError(
        _("{scan} lies under a transform that changes its size or shape ({transform}). {advice}").format(
            scan=volumeNode.GetName(), transform=transform.GetName(), advice=advice
        )
    )


def _harden() -> str:
    return _(
        "Harden the transform first: in the module Data, click the transform of the scan with the right button."
    )


def _resample() -> str:
    return _(
        "Hardening the transform would leave voxels that are not at right angles: resample the scan with it first, "
        "in the module Resample Image (BRAINS)."
    )
