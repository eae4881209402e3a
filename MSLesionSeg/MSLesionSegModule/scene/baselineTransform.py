"""Where the scans of a comparison lie beside each other: baseline onto follow-up, as the registration found it.

A scan may belong to several comparisons, as the follow-up of one and the baseline of the next. Only what this module
put somewhere is moved again; a transform that a person gave a scan stays.
"""

from pathlib import Path

import numpy as np
import slicer
from slicer.i18n import tr as _

_OURS = "MSLesionSeg.Placing"  # attribute of transforms that this module made


def linearMatrix(path: Path) -> np.ndarray | None:
    """The matrix (RAS, mm, baseline to follow-up) of the core's transform file; None if it is not linear."""
    import SimpleITK as sitk

    transform = sitk.ReadTransform(str(path))
    lps = np.diag([-1.0, -1.0, 1.0])

    def mapped(points: np.ndarray) -> np.ndarray:
        return np.array([transform.TransformPoint(point.tolist()) for point in points @ lps]) @ lps

    origin = mapped(np.zeros((1, 3)))[0]
    matrix = np.eye(4)
    matrix[:3, :3] = (mapped(100.0 * np.eye(3)) - origin).T / 100.0
    matrix[:3, 3] = origin
    probes = np.array([[60.0, -45.0, 30.0], [-50.0, 70.0, -40.0], [35.0, 20.0, 65.0]])
    linear = np.allclose(probes @ matrix[:3, :3].T + origin, mapped(probes), atol=1e-2)
    return matrix if linear else None


def addPlacing(matrix: np.ndarray, name: str):
    """Add the transform from the baseline's space to the follow-up's (RAS, mm); returns the node."""
    transform = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLLinearTransformNode", _("{volume} onto follow-up").format(volume=name)
    )
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    transform.SetAttribute(_OURS, "1")
    return transform


def place(transform, baseline, followup) -> None:
    """Put the baseline onto the follow-up, and the follow-up back to its own place; either may be None.

    ``transform``: of :func:`addPlacing`.
    """
    takeOff(followup)
    if followup is not None:
        transform.SetAndObserveTransformNodeID(followup.GetTransformNodeID())
    if baseline is not None and (baseline.GetTransformNodeID() is None or isPlaced(baseline)):
        baseline.SetAndObserveTransformNodeID(transform.GetID())


def takeOff(volumeNode) -> None:
    """Take a scan back from where this module put it."""
    if volumeNode is not None and isPlaced(volumeNode):
        volumeNode.SetAndObserveTransformNodeID(None)


def isPlaced(volumeNode) -> bool:
    """Whether a scan lies where this module put it."""
    transform = volumeNode.GetParentTransformNode()
    return transform is not None and transform.GetAttribute(_OURS) is not None
