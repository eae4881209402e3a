"""Where the scans of a comparison lie beside each other: baseline onto follow-up, as the registration found it.

A scan may belong to several comparisons, as the follow-up of one and the baseline of the next. Only what this module
put somewhere is moved again; a transform that a person gave a scan stays.
"""

import numpy as np
import slicer
from slicer.i18n import tr as _

_OURS = "MSLesionSeg.Placing"  # attribute of transforms that this module made


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
