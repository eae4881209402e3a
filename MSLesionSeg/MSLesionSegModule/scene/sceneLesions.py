"""The lesions of this module that a scene holds: on which scans they lie, and which belong to a volume."""

from collections.abc import Sequence
from typing import Any

import slicer

from MSLesionSegLib.files.foreign_json import parse_json
from MSLesionSegLib.tasks import TASKS

from ..scans.sceneScans import sameExamination
from .reviewSession import DRAFT, EARLIER, INPUT, PROBABILITY, RECORD, REGIONS, STATES, SUBTRACTION

_PARTS = (PROBABILITY, STATES, REGIONS, SUBTRACTION, DRAFT, EARLIER)


def lesionsInScene() -> list:
    """The segmentations that hold reviews of this module, the oldest first."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return [node for node in nodes if node.GetAttribute(RECORD) and scanOf(node) is not None]


def scanOf(node):
    """The scan on whose voxels lesions lie, or None."""
    return node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())


def taskOf(node) -> str:
    """The task that lesions were found by."""
    return parse_json(node.GetAttribute(RECORD))["task"]


def belongsTo(node, volume) -> bool:
    """Whether lesions may be judged on a volume: a scan or map of theirs, or another sequence of the examination."""
    names = (*(INPUT + name for name in TASKS[taskOf(node)].names), *_PARTS)
    own = (scanOf(node), *(node.GetNodeReference(name) for name in names))
    return any(part is volume for part in own) or sameExamination(volume, scanOf(node))


def lesionsOn(volumes: Sequence[Any], task: str):
    """The lesions of a task that belong to one of the volumes, or None: on its own voxels and the newest first."""
    ofTask = [node for node in lesionsInScene() if taskOf(node) == task]
    fitting = [node for node in ofTask if any(belongsTo(node, volume) for volume in volumes)]
    order = [(any(scanOf(node) is v for v in volumes), n) for n, node in enumerate(fitting)]
    return fitting[max(order)[-1]] if order else None


def showOnly(node) -> None:
    """Show the outlines of these lesions, or of none, and hide all others that this module found."""
    for other in lesionsInScene():
        display = other.GetDisplayNode()
        if display is not None:
            display.SetVisibility(other is node)
