"""A review session: a segmentation of the scene, the volumes that belong to it, and the review over them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import slicer
import vtk

from MSLesionSegLib.files.foreign_json import parse_json
from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.tasks import TASKS, Task

from . import segments, volumes

RECORD = "MSLesionSeg.Record"  # attribute of the segmentation node: JSON, saved with the scene
PROBABILITY = "MSLesionSeg.Probability"  # node references of the segmentation node
STATES = "MSLesionSeg.States"
REGIONS = "MSLesionSeg.Regions"
SUBTRACTION = "MSLesionSeg.Subtraction"
DRAFT = "MSLesionSeg.Draft"
EARLIER = "MSLesionSeg.Earlier"  # lesions of the baseline
INPUT = "MSLesionSeg.Input."


class ReviewSession:
    """One segmentation node with the volumes and the record that belong to it.

    Attributes:
        node: the segmentation.
        volume: the scan on whose voxels it lies.
        record: task, model, rule, decisions, files and more, as JSON types.
        review: the lesions and the decisions on them.
        showing: whether the segments are being set from the review right now.
    """

    def __init__(self, node, volume, record, review) -> None:
        self.node = node
        self.volume = volume
        self.record = record
        self.review = review
        self.showing = False
        self._shown = None  # the mask that the segments hold

    @classmethod
    def ofNode(cls, node) -> "ReviewSession | None":
        """Go on with a segmentation that this module made, such as one of a scene that was loaded; else None."""
        text = node.GetAttribute(RECORD) if node is not None else None
        volume = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) if text else None
        if volume is None or node.GetNodeReference(PROBABILITY) is None:
            return None
        record = parse_json(text)
        review = reviewOf(node, record)
        masks = segments.getMasks(node, volume, reviewedSegments(node, record["task"]))
        review.restore(segments.union(masks, review.mask.shape), record["decisions"])
        return cls(node, volume, record, review)

    @property
    def task(self) -> Task:
        """The row of the core's task table by which the lesions were found."""
        return TASKS[self.record["task"]]

    @property
    def inScene(self) -> bool:
        """Whether everything that the review works on is still in the scene."""
        nodes = (self.node, self.volume, self.node.GetNodeReference(PROBABILITY))
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

    def unhide(self) -> None:
        """Show the lesions in the views again."""
        if self.node.GetDisplayNode() is not None:
            self.node.GetDisplayNode().SetVisibility(True)

    def volumeIds(self) -> dict[str, str]:
        """The volumes that were segmented, by input name, as far as they are still in the scene."""
        nodes = {name: self.node.GetNodeReference(INPUT + name) for name in self.task.names}
        return {name: node.GetID() for name, node in nodes.items() if node is not None}

    def viewIds(self) -> dict[str, str]:
        """The volumes to look at side by side: what was segmented, and what contrast has changed."""
        subtraction = self.subtraction() if self.task.before_after else None
        return self.volumeIds() | ({} if subtraction is None else {"subtraction": subtraction.GetID()})

    def setRule(self, threshold: float, minimumMm3: float) -> None:
        """Threshold the probability anew and show the mask; what the person changed stays."""
        self.review.set_rule(replace(self.review.rule, threshold=threshold, minimum_mm3=minimumMm3))
        self.show()

    def takeEdits(self) -> bool:
        """Take over what was painted into the segments; True if that changed the mask."""
        self._shown = None  # segments of several states may hold the same mask
        before = self.review.mask
        states = reviewedSegments(self.node, self.record["task"])
        painted = segments.union(segments.getMasks(self.node, self.volume, states), before.shape)
        if np.array_equal(painted, before):
            return False
        self.review.set_mask(painted)
        self.keep()
        return True

    def show(self) -> None:
        """Put the review's mask into the segments, one per state."""
        if self.review.mask is not self._shown:
            self.put(self.masks())
            self._shown = self.review.mask
        self.keep()

    def put(self, masks: Mapping[str, np.ndarray]) -> None:
        """Set segments by state; whoever watches the segments can tell this from painting by ``showing``."""
        self.showing = True
        try:
            segments.setMask(self.node, self.volume, masks)
        finally:
            self.showing = False

    def masks(self) -> dict[str, np.ndarray]:
        """The review's mask by state of the lesions: bool (i, j, k)."""
        states = self.task.reviewed_states
        if len(states) == 1:
            return {states[0]: self.review.mask}
        labels = self.review.labels
        stateOf = np.zeros(int(labels.max()) + 1, np.uint8)
        for row in self.review.rows:
            if row.decision != "rejected":
                stateOf[row.lesion.id] = 1 + states.index(row.state)
        codes = stateOf[labels]
        return {state: codes == code for code, state in enumerate(states, start=1)}

    def subtraction(self):
        """The volume of what follow-up minus baseline shows, or None."""
        return self.node.GetNodeReference(SUBTRACTION)

    def keep(self) -> None:
        """Write the record to the node, so that it is saved with the scene."""
        rule = self.review.rule
        self.record |= {
            "threshold": rule.threshold,
            "minimum_mm3": rule.minimum_mm3,
            "decisions": self.review.decisions(),
        }
        self.node.SetAttribute(RECORD, json.dumps(self.record))

    def worldPoint(self, ras) -> tuple[float, float, float]:
        """A point of the scan in the world, where the volume's transform puts it."""
        return self._through(ras, toWorld=True)

    def voxelsInWorld(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Centres of a lesion's voxels in the world (N, 3), and the steps between voxels (3, 3), an axis each."""
        import nibabel as nib

        affine = self.review.affine
        corner = np.array(self.worldPoint(affine[:3, 3]))
        steps = [np.array(self.worldPoint(affine[:3, 3] + affine[:3, axis])) - corner for axis in range(3)]
        placed = nib.affines.from_matvec(np.stack(steps, axis=1), corner)
        return nib.affines.apply_affine(placed, self.review.voxels_of(number)), placed[:3, :3]

    def blockOf(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The block of voxels around a lesion, bool (i, j, k), and the voxel (3,) that it begins at."""
        voxels = self.review.voxels_of(number)
        low = voxels.min(axis=0)
        block = np.zeros(voxels.max(axis=0) - low + 1, bool)
        block[tuple((voxels - low).T)] = True
        return block, low

    def localPoint(self, ras) -> tuple[float, float, float]:
        """A point of the world in the scan's own space."""
        return self._through(ras, toWorld=False)

    def _through(self, ras, toWorld: bool) -> tuple[float, float, float]:
        transform = vtk.vtkGeneralTransform()
        parent = self.volume.GetParentTransformNode()
        ends = (parent, None) if toWorld else (None, parent)
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(*ends, transform)
        return tuple(transform.TransformPoint(ras))


def reviewedSegments(node, task: str) -> list[str]:
    """Segments that make the mask: those of reviewed states, and segments that the person added."""
    static = {*TASKS[task].states} - {*TASKS[task].reviewed_states}
    return [name for name in node.GetSegmentation().GetSegmentIDs() if name not in static]


def reviewOf(node, record: Mapping[str, Any]):
    """The review over the volumes that a segmentation node refers to, without decisions."""
    import nibabel as nib

    from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence
    from MSLesionSegLib.lesions.regions import RegionMap
    from MSLesionSegLib.review.review import Review

    probability = node.GetNodeReference(PROBABILITY)
    regions = node.GetNodeReference(REGIONS)
    rule = LesionRule(record["threshold"], record["minimum_mm3"], record["minimum_peak"])
    states = node.GetNodeReference(STATES)
    named = dict(enumerate(TASKS[record["task"]].states, start=1))
    reviewed = TASKS[record["task"]].reviewed_states
    images = None
    if states is not None:
        codes = np.array(volumes.voxelsOf(states)).astype(np.uint8)
        codes[~np.isin(codes, [code for code, state in named.items() if state in reviewed])] = 0
        images = ({code: state for code, state in named.items() if state in reviewed}, codes)
    draft = node.GetNodeReference(DRAFT)
    threshold, minimumMm3 = record["found_by"]
    foundBy = replace(rule, threshold=threshold, minimum_mm3=minimumMm3)
    found = None if draft is None else (foundBy, np.array(volumes.voxelsOf(draft)) > 0)
    regionMap = None
    if regions is not None:
        regionMap = RegionMap(nib.Nifti1Image(volumes.voxelsOf(regions), volumes.affineOf(regions)))
    image = nib.Nifti1Image(
        np.array(volumes.voxelsOf(probability), np.float32), volumes.affineOf(probability)
    )
    possible = None if TASKS[record["task"]].compares else _possible(image, foundBy, found)
    known = record.get("confidence")  # earlier scenes have none
    confidence = None if known is None else LesionConfidence.from_dict(known)
    return Review(image, rule, regionMap, images, reviewed[0], found, possible, confidence)


def _possible(probability, rule: LesionRule, found):
    """Labels of what the network sees beside the lesions that were found."""
    from MSLesionSegLib.lesions.components import find_lesions
    from MSLesionSegLib.lesions.possible import possible_lesions

    values = np.asarray(probability.dataobj)
    voxelMm3 = abs(float(np.linalg.det(probability.affine[:3, :3])))
    certain = find_lesions(values, rule, voxelMm3)[0] if found is None else found[1]
    return possible_lesions(values, certain, voxelMm3, rule.connectivity)
