"""A result folder of the core in the scene: probability, regions and segmentation, and the review over them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.lesions.components import LesionRule

from . import segments, volumes
from .choices import REFERENCE, TASK_INPUTS

_RECORD = "MSLesionSeg.Record"  # attribute of the segmentation node: JSON, saved with the scene
_SUBTRACTION = "MSLesionSeg.Subtraction"
_STATES = "MSLesionSeg.States"
_PROBABILITY = "MSLesionSeg.Probability"  # node references of the segmentation node
_REGIONS = "MSLesionSeg.Regions"
_DRAFT = "MSLesionSeg.Draft"
_INPUT = "MSLesionSeg.Input."
# roles of a result's files begin with the scan on whose voxels they lie, where a task has more than one
_SPACE = {"flair": "", "new": "followup_", "enhancing": ""}


class Findings:
    """One segmentation node with the volumes and the record that belong to it.

    Attributes:
        node: the segmentation.
        volume: the scan on whose voxels it lies.
        record: task, model, rule, decisions, files and more, as JSON types.
        review: the lesions and the decisions on them.
    """

    def __init__(self, node, volume, record, review) -> None:
        self.node = node
        self.volume = volume
        self.record = record
        self.review = review

    @classmethod
    def load(cls, folder: Path, nodes: Mapping[str, Any], inputs: Mapping[str, Path]) -> "Findings":
        """Bring a result folder into the scene. When it fails the scene is as it was.

        Args:
            folder: with ``result.json``.
            nodes: volume nodes by input name, with the task's reference among them.
            inputs: the files that were segmented, by input name.
        """
        from MSLesionSegLib.segmentation.outputs import MANIFEST

        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        task = manifest["task"]
        _refuseIncomparable(manifest)
        space = _SPACE[task]
        files = {role: folder / name for role, name in manifest["files"].items()}
        volumeNode = nodes[REFERENCE[task]]
        added = []
        try:
            references = {}
            for reference, role, title in (
                (_PROBABILITY, f"{space}probability", _("{volume} lesion probability")),
                (_STATES, f"{space}states", _("{volume} lesion states")),
                (_REGIONS, "regions", _("{volume} brain regions")),
                (_SUBTRACTION, "subtraction", _("{volume} subtraction")),
            ):
                if role in files:
                    on = volumeNode if reference in (_PROBABILITY, _STATES) else None
                    name = title.format(volume=volumeNode.GetName())
                    added.append(_addFile(files[role], name, role, on))
                    references[reference] = added[-1].GetID()
            if _SUBTRACTION in references:
                added.append(_withDisplay(references[_SUBTRACTION]))
            if "transform" in files:
                added += _align(files["transform"], nodes["baseline"], references)
            node = segments.addSegmentation(volumeNode, task)
            added += [node, node.GetDisplayNode()]
            for reference, part in references.items():
                node.SetNodeReferenceID(reference, part)
            for name, volume in nodes.items():
                node.SetNodeReferenceID(_INPUT + name, volume.GetID())
            settings = manifest["settings"]
            record = {
                "task": task,
                "model": manifest["model"],
                "device": settings["device"],
                "threshold": settings["threshold"],
                "minimum_mm3": settings["minimum_mm3"],
                "minimum_peak": settings["minimum_peak"],
                "found_by": [settings["threshold"], settings["minimum_mm3"]],
                "inputs": {name: str(path) for name, path in inputs.items()},
                "draft": str(files[f"{space}mask"]),
                "remarks": _remarks(manifest),
                "decisions": {},
            }
            found = cls(node, volumeNode, record, _review(node, record))
            draft = _fileOnto(files[f"{space}mask"], volumeNode) > 0
            if not np.array_equal(draft, found.review.mask):
                name = _("{volume} lesions as found").format(volume=volumeNode.GetName())
                affine = volumes.affineOf(volumeNode)
                added.append(volumes.addVolume(draft.astype(np.uint8), affine, name, "draft"))
                node.SetNodeReferenceID(_DRAFT, added[-1].GetID())
                found.review = _review(node, record)
            found._showStatic()
            found.show()
            return found
        except BaseException:
            for part in added:
                slicer.mrmlScene.RemoveNode(part)
            raise

    @classmethod
    def ofNode(cls, node) -> "Findings | None":
        """Go on with a segmentation that this module made, such as one of a scene that was loaded; else None."""
        text = node.GetAttribute(_RECORD) if node is not None else None
        volume = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) if text else None
        if volume is None or node.GetNodeReference(_PROBABILITY) is None:
            return None
        record = json.loads(text)
        review = _review(node, record)
        masks = segments.getMasks(node, volume, _reviewed(node, record["task"]))
        review.restore(segments.union(masks, review.mask.shape), record["decisions"])
        return cls(node, volume, record, review)

    @property
    def inScene(self) -> bool:
        """Whether everything that the review works on is still in the scene."""
        nodes = (self.node, self.volume, self.node.GetNodeReference(_PROBABILITY))
        return all(node is not None and slicer.mrmlScene.IsNodePresent(node) for node in nodes)

    @property
    def visible(self) -> bool:
        """Whether the views show the lesions."""
        display = self.node.GetDisplayNode()
        return display is not None and bool(display.GetVisibility())

    def hide(self) -> None:
        """Take the lesions out of the views; they stay in the scene."""
        if self.node.GetDisplayNode() is not None:
            self.node.GetDisplayNode().SetVisibility(False)

    def volumeIds(self) -> dict[str, str]:
        """The volumes that were segmented, by input name, as far as they are still in the scene."""
        nodes = {name: self.node.GetNodeReference(_INPUT + name) for name in TASK_INPUTS[self.record["task"]]}
        return {name: node.GetID() for name, node in nodes.items() if node is not None}

    def setRule(self, threshold: float, minimumMm3: float) -> None:
        """Threshold the probability anew; what the person changed stays."""
        self.review.set_rule(replace(self.review.rule, threshold=threshold, minimum_mm3=minimumMm3))
        self.show()

    def takeEdits(self) -> bool:
        """Take over what was painted into the segments; True if that changed the mask."""
        before = self.review.mask
        states = _reviewed(self.node, self.record["task"])
        painted = segments.union(segments.getMasks(self.node, self.volume, states), before.shape)
        if np.array_equal(painted, before):
            return False
        self.review.set_mask(painted)
        self.keep()
        return True

    def show(self) -> None:
        """Put the review's mask into the segments, one per state."""
        segments.setMask(self.node, self.volume, self.masks())
        self.keep()

    def masks(self) -> dict[str, np.ndarray]:
        """The review's mask by state of the lesions: bool (i, j, k)."""
        states = segments.REVIEWED_STATES[self.record["task"]]
        if len(states) == 1:
            return {states[0]: self.review.mask}
        labels = self.review.labels
        byState = {state: [0] for state in states}
        for row in self.review.rows:
            if row.decision != "rejected":
                byState[row.state].append(row.lesion.id)
        return {state: np.isin(labels, numbers[1:]) for state, numbers in byState.items()}

    def subtraction(self):
        """The volume of what follow-up minus baseline shows, or None."""
        return self.node.GetNodeReference(_SUBTRACTION)

    def _showStatic(self) -> None:
        """Put the states that are shown but not reviewed into their segments."""
        task = self.record["task"]
        states = self.node.GetNodeReference(_STATES)
        if states is None:
            return
        codes = np.array(volumes.voxelsOf(states))
        shown = {
            state: codes == code
            for code, state in enumerate(segments.TASK_STATES[task], start=1)
            if state not in segments.REVIEWED_STATES[task]
        }
        segments.setMask(self.node, self.volume, shown)

    def keep(self) -> None:
        """Write the record to the node, so that it is saved with the scene."""
        rule = self.review.rule
        self.record |= {
            "threshold": rule.threshold,
            "minimum_mm3": rule.minimum_mm3,
            "decisions": self.review.decisions(),
        }
        self.node.SetAttribute(_RECORD, json.dumps(self.record))

    def worldPoint(self, ras) -> tuple[float, float, float]:
        """A point of the scan in the world, where the volume's transform puts it."""
        return self._through(ras, toWorld=True)

    def localPoint(self, ras) -> tuple[float, float, float]:
        """A point of the world in the scan's own space."""
        return self._through(ras, toWorld=False)

    def _through(self, ras, toWorld: bool) -> tuple[float, float, float]:
        transform = vtk.vtkGeneralTransform()
        parent = self.volume.GetParentTransformNode()
        ends = (parent, None) if toWorld else (None, parent)
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(*ends, transform)
        return tuple(transform.TransformPoint(ras))


def _refuseIncomparable(manifest: Mapping[str, Any]) -> None:
    """Counts that the core withholds are not shown either."""
    told = manifest.get("comparability", {})
    if told.get("counts") == "withheld":
        reasons = " ".join(check["sentence"] for check in told["checks"] if check["light"] == "red")
        raise MSLesionSegError(_("These two scans cannot be compared.") + " " + reasons)


def _remarks(manifest: Mapping[str, Any]) -> list[str]:
    """What to know about the scans: sentences of the core, doubts about comparing two scans first."""
    checks = manifest.get("comparability", {}).get("checks", ())
    doubts = [check["sentence"] for check in checks if check["light"] != "green"]
    return [*doubts, *(finding["sentence"] for finding in manifest["findings"])]


def _fileOnto(path: Path, volumeNode) -> np.ndarray:
    import nibabel as nib

    image = nib.load(path)
    return volumes.ontoNode(np.asarray(image.dataobj), image.affine, volumeNode)


def _addFile(path: Path, name: str, role: str, volumeNode):
    """Add an image file as a volume, on the voxels of ``volumeNode`` or on its own."""
    import nibabel as nib

    if volumeNode is not None:
        return volumes.addVolume(_fileOnto(path, volumeNode), volumes.affineOf(volumeNode), name, role)
    image = nib.load(path)
    return volumes.addVolume(np.asarray(image.dataobj), image.affine, name, role)


def _withDisplay(volumeId: str):
    """Give a volume a display node, without which views show nothing of it; returns that node."""
    volume = slicer.mrmlScene.GetNodeByID(volumeId)
    volume.CreateDefaultDisplayNodes()
    return volume.GetDisplayNode()


def _align(path: Path, baselineNode, references: dict[str, str]) -> list[Any]:
    """Put the baseline scan, and what lies in its space, where the registration found it on the follow-up.

    So linked views show the same place. A transform that is not linear, or a baseline that the person has placed,
    is left alone. Returns the nodes that were added.
    """
    matrix = linearMatrix(path)
    if matrix is None:
        references.pop(_REGIONS, None)  # they could not be told where the lesions are
        return []
    if _REGIONS in references:
        # moved for good, because the review reads them without looking at transforms
        regions = slicer.mrmlScene.GetNodeByID(references[_REGIONS])
        moved = matrix @ volumes.affineOf(regions)
        regions.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(moved))
    if baselineNode.GetParentTransformNode() is not None:
        return []
    transform = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLLinearTransformNode", _("{volume} onto follow-up").format(volume=baselineNode.GetName())
    )
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    subtraction = slicer.mrmlScene.GetNodeByID(references.get(_SUBTRACTION, ""))
    for node in (baselineNode, subtraction):
        if node is not None:
            node.SetAndObserveTransformNodeID(transform.GetID())
    return [transform]


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


def _reviewed(node, task: str) -> list[str]:
    """Segments that make the mask: those of reviewed states, and segments that the person added."""
    static = set(segments.TASK_STATES[task]) - set(segments.REVIEWED_STATES[task])
    return [name for name in node.GetSegmentation().GetSegmentIDs() if name not in static]


def _review(node, record):
    import nibabel as nib

    from MSLesionSegLib.lesions.regions import regions_from_labels
    from MSLesionSegLib.lesions.review import Review

    probability = node.GetNodeReference(_PROBABILITY)
    regions = node.GetNodeReference(_REGIONS)
    rule = LesionRule(record["threshold"], record["minimum_mm3"], record["minimum_peak"])
    states = node.GetNodeReference(_STATES)
    named = dict(enumerate(segments.TASK_STATES[record["task"]], start=1))
    reviewed = segments.REVIEWED_STATES[record["task"]]
    images = None
    if states is not None:
        codes = np.array(volumes.voxelsOf(states)).astype(np.uint8)
        codes[~np.isin(codes, [code for code, state in named.items() if state in reviewed])] = 0
        images = ({code: state for code, state in named.items() if state in reviewed}, codes)
    draft = node.GetNodeReference(_DRAFT)
    found = None
    if draft is not None:
        threshold, minimumMm3 = record["found_by"]
        foundBy = replace(rule, threshold=threshold, minimum_mm3=minimumMm3)
        found = (foundBy, np.array(volumes.voxelsOf(draft)) > 0)
    regionMap = None
    if regions is not None:
        regionMap = regions_from_labels(nib.Nifti1Image(volumes.voxelsOf(regions), volumes.affineOf(regions)))
    image = nib.Nifti1Image(
        np.array(volumes.voxelsOf(probability), np.float32), volumes.affineOf(probability)
    )
    return Review(image, rule, regionMap, images, default_state=reviewed[0], found=found)


def originalFiles(findings: Findings, folder: Path) -> dict[str, Path]:
    """The files that were segmented, by input name. What has gone since is written again into ``folder``.

    Raises:
        MSLesionSegError: neither the file nor the volume is there any more.
    """
    files = {}
    for name in TASK_INPUTS[findings.record["task"]]:
        path = Path(findings.record["inputs"].get(name, ""))
        node = findings.node.GetNodeReference(_INPUT + name)
        if path.is_file():
            files[name] = path.absolute()
        elif node is not None:
            files[name] = volumes.sourceFile(node, folder, name)
        elif name in findings.record["inputs"]:
            raise MSLesionSegError(
                _("The scan is not in the scene any more. Load it and find lesions again.")
            )
    return files


def writeCorrected(findings: Findings, path: Path) -> Path:
    """Write the corrected mask on the original file's grid, whatever Slicer did to the axes; whole or not.

    Raises:
        MSLesionSegError: the scan has gone, or has other voxels than the volume.
    """
    import nibabel as nib

    from MSLesionSegLib.segmentation.outputs import save_in_folder

    path.parent.mkdir(parents=True, exist_ok=True)
    source = originalFiles(findings, path.parent)[REFERENCE[findings.record["task"]]]
    mask = volumes.ontoFile(findings.review.mask.astype(np.uint8), findings.volume, source)
    save_in_folder(path.parent, {path.name: (mask, nib.load(source))})
    return path


def writeSegmentation(findings: Findings, path: Path) -> Path:
    """Write the reviewed lesions as Slicer's own file (.seg.nrrd), with this module's names of segments only.

    Raises:
        MSLesionSegError: the file could not be written.
    """
    node = segments.addSegmentation(findings.volume, findings.record["task"])
    try:
        segments.setMask(node, findings.volume, findings.masks())
        storage = slicer.vtkMRMLSegmentationStorageNode()
        storage.SetFileName(str(path))
        if not storage.WriteData(node):
            raise MSLesionSegError(_("The segmentation could not be written. Is the disk full?"))
    finally:
        slicer.mrmlScene.RemoveNode(node.GetDisplayNode())
        slicer.mrmlScene.RemoveNode(node)
    return path
