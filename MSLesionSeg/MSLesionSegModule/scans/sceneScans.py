"""The scans of the scene that a person can choose from, and where each comes from."""

import re
from pathlib import Path

import slicer

from ..scene import volumes
from .inputGuess import isFlair, isT1
from .patients import Origin, surelyTogether
from .scanDates import inTime


def scansInScene() -> list:
    """Volumes with an image that no program made for its own use, in the order of the scene."""
    return [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if not node.GetHideFromEditors()
        and not node.IsA("vtkMRMLLabelMapVolumeNode")
        and node.GetAttribute(volumes.ROLE) is None
        and node.GetImageData() is not None
    ]


def originOf(volumeNode) -> Origin:
    """Patient and study of a volume by the subject hierarchy, and the folders of the file that it was loaded from."""
    hierarchy = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")
    item = 0 if hierarchy is None else hierarchy.GetItemByDataNode(volumeNode)
    patient = patientId = date = ""
    if item:
        date = re.sub(r"\D", "", hierarchy.GetAttributeFromItemAncestor(item, "DICOM.StudyDate", "Study"))
        owner = hierarchy.GetItemAncestorAtLevel(item, "Patient")
        if owner:
            patientId = hierarchy.GetItemUID(owner, "DICOM") or hierarchy.GetItemAttribute(
                owner, "DICOM.PatientID"
            )
            patient = hierarchy.GetItemName(owner) or patientId
    storage = volumeNode.GetStorageNode()
    file = Path(storage.GetFullNameFromFileName() or "") if storage is not None else Path()
    return Origin(volumeNode.GetName() or "", patient, patientId, date, file.parent.parts[1:])


def sameExamination(one, other) -> bool:
    """Whether two volumes are surely two sequences of one examination, as far as their origins tell."""
    origins = {"one": originOf(one), "other": originOf(other)}
    kinds = [(isFlair(origin.name), isT1(origin.name)) for origin in origins.values()]
    return kinds[0] != kinds[1] and surelyTogether(*origins.values()) and not inTime(origins)
