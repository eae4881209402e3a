"""Whether a slice view shows a place."""

import numpy as np
import slicer


def isInView(points, steps) -> bool:
    """Whether a slice view of the layout cuts one of some voxels; True where the layout has no slice view.

    Args:
        points: centres of the voxels in the world, mm RAS: (N, 3).
        steps: from one voxel to the next along each axis, mm: (3, 3), an axis per column.
    """
    views = [node for node in slicer.util.getNodesByClass("vtkMRMLSliceNode") if node.IsMappedInLayout()]
    return not views or any(
        _cuts(view, np.asarray(points, float), np.asarray(steps, float)) for view in views
    )


def _cuts(view, points: np.ndarray, steps: np.ndarray) -> bool:
    plane = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
    normal = plane[:3, 2] / np.linalg.norm(plane[:3, 2])
    near = np.abs((points - plane[:3, 3]) @ normal) <= 0.5 * np.abs(normal @ steps).sum() + 1e-3
    toRAS = slicer.util.arrayFromVTKMatrix(view.GetXYToRAS())
    x, y = (np.linalg.inv(toRAS)[:2, :3] @ points[near].T) + np.linalg.inv(toRAS)[:2, 3:]
    width, height = view.GetDimensions()[:2]
    return bool(((x >= 0) & (x <= width) & (y >= 0) & (y <= height)).any())
