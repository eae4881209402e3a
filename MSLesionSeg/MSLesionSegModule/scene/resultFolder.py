"""A result folder of the core brought into the scene, step by step: volumes, segmentation and their review."""

import importlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.imaging.linear_transform import linear_matrix
from MSLesionSegLib.tasks import TASKS

from . import baselineTransform, segments, volumes
from .distortion import refuseDistorted
from .resultRecord import recordOf, refuseIncomparable
from .reviewSession import (
    DRAFT,
    EARLIER,
    INPUT,
    PROBABILITY,
    REGIONS,
    STATES,
    SUBTRACTION,
    ReviewSession,
    reviewOf,
)

_NEEDED = (
    "scipy.linalg",
    "scipy.spatial",
    "cc3d",
)  # what describes lesions; loading them takes a moment each


def load(folder: Path, nodes: Mapping[str, Any], inputs: Mapping[str, Path]) -> ReviewSession:
    """All steps of :func:`loading` at once."""
    *_pauses, found = loading(folder, nodes, inputs)
    return found


def loading(
    folder: Path, nodes: Mapping[str, Any], inputs: Mapping[str, Path]
) -> Generator[ReviewSession | None, None, None]:
    """Bring a result folder into the scene in steps that leave the window alive; None after all but the last.

    When a step fails, or they are not taken to the end, the scene is as it was.

    Args:
        folder: with ``result.json``.
        nodes: volume nodes by input name, with the task's reference among them.
        inputs: the files that were segmented, by input name.

    Raises:
        MSLesionSegError: no honest count is possible, or a volume lies under a transform that changes its size or
            shape.
    """
    from MSLesionSegLib.segmentation.result_folder import MANIFEST

    manifest = read_json(folder / MANIFEST)
    task = TASKS[manifest["task"]]
    refuseIncomparable(manifest)
    for node in nodes.values():
        refuseDistorted(node)
    for module in _NEEDED:
        importlib.import_module(module)
        yield None
    files = {role: folder / name for role, name in manifest["files"].items()}
    volumeNode = nodes[task.reviewed_on]
    added: list[Any] = []
    places = {node: node.GetTransformNodeID() for node in nodes.values()}
    matrix = linear_matrix(files["transform"]) if "transform" in files else None
    # of what lies in the baseline's space it could not be told where it is
    left = (REGIONS, SUBTRACTION, EARLIER) if "transform" in files and matrix is None else ()
    try:
        references = {}
        for reference, role, title in (
            (PROBABILITY, task.reviewed_file("probability"), _("{volume} lesion probability")),
            (STATES, task.reviewed_file("states"), _("{volume} lesion states")),
            (REGIONS, "regions", _("{volume} brain regions")),
            (SUBTRACTION, "subtraction", _("{volume} subtraction")),
            (EARLIER, "baseline_lesions", _("{volume} earlier lesions")),
        ):
            if role in files and reference not in left:
                voxels, affine = _read(
                    files[role], volumeNode if reference in (PROBABILITY, STATES) else None
                )
                yield None
                name = title.format(volume=volumeNode.GetName())
                added.append(volumes.addVolume(voxels, affine, name, role))
                references[reference] = added[-1].GetID()
                yield None
        if SUBTRACTION in references:
            added.append(_withDisplay(references[SUBTRACTION]))
            # in the scan's own space, unless a registration puts it elsewhere
            slicer.mrmlScene.GetNodeByID(references[SUBTRACTION]).SetAndObserveTransformNodeID(
                volumeNode.GetTransformNodeID()
            )
        if matrix is not None:
            added.append(_align(matrix, volumeNode, nodes.get("baseline"), references))
        node = segments.addSegmentation(volumeNode, task.name)
        added += [node, node.GetDisplayNode()]
        for reference, part in references.items():
            node.SetNodeReferenceID(reference, part)
        for name, volume in nodes.items():
            node.SetNodeReferenceID(INPUT + name, volume.GetID())
        record = recordOf(manifest, file_sha256(folder / MANIFEST), inputs, files[task.reviewed_file("mask")])
        if left:
            record["remarks"].insert(
                0, _("The baseline is not shown in place: its registration is not linear.")
            )
        yield None
        review = reviewOf(node, record)
        yield None
        draft = _read(files[task.reviewed_file("mask")], volumeNode)[0] > 0
        yield None
        if not np.array_equal(draft, review.mask):
            name = _("{volume} lesions as found").format(volume=volumeNode.GetName())
            affine = volumes.affineOf(volumeNode)
            added.append(volumes.addVolume(draft.astype(np.uint8), affine, name, "draft"))
            node.SetNodeReferenceID(DRAFT, added[-1].GetID())
            yield None
            review = reviewOf(node, record)
            yield None
        numbered = files.get(task.reviewed_file("lesions"))
        if numbered is not None and numbered.is_file():
            review.number_by(_read(numbered, volumeNode)[0])
            yield None
        for _step in review.describe():
            yield None
        found = ReviewSession(node, volumeNode, record, review)
        _showStatic(found)
        yield None
        found.show()
        yield found
    except BaseException:
        for node, transform in places.items():
            if slicer.mrmlScene.IsNodePresent(node):
                node.SetAndObserveTransformNodeID(transform)
        for part in added:
            if slicer.mrmlScene.IsNodePresent(part):  # else the scene was closed meanwhile
                slicer.mrmlScene.RemoveNode(part)
        raise


def _read(path: Path, volumeNode) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (i, j, k) and affine of an image file, on the voxels of ``volumeNode`` or on its own."""
    import nibabel as nib

    image = nib.load(path)
    voxels = np.asarray(image.dataobj)
    if volumeNode is None:
        return voxels, image.affine
    return volumes.ontoNode(voxels, image.affine, volumeNode), volumes.affineOf(volumeNode)


def _showStatic(found: ReviewSession) -> None:
    """Put the states that are shown but not reviewed into their segments."""
    states = found.node.GetNodeReference(STATES)
    if states is None:
        return
    codes = np.array(volumes.voxelsOf(states))
    shown = {
        state: codes == code
        for code, state in enumerate(found.task.states, start=1)
        if state not in found.task.reviewed_states
    }
    found.put(shown)


def _withDisplay(volumeId: str):
    """Give a volume a display node, without which views show nothing of it; returns that node."""
    volume = slicer.mrmlScene.GetNodeByID(volumeId)
    volume.CreateDefaultDisplayNodes()
    return volume.GetDisplayNode()


def _align(matrix: np.ndarray, volumeNode, baselineNode, references: Mapping[str, str]):
    """Put the baseline scan, and what lies in its space, where the registration found it on the follow-up.

    So linked views show the same place. Returns the transform that was added.
    """
    if REGIONS in references:
        # moved for good, because the review reads them without looking at transforms
        regions = slicer.mrmlScene.GetNodeByID(references[REGIONS])
        moved = matrix @ volumes.affineOf(regions)
        regions.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(moved))
    subtraction = slicer.mrmlScene.GetNodeByID(references.get(SUBTRACTION, ""))
    shown = baselineNode if baselineNode is not None else subtraction
    transform = baselineTransform.addPlacing(matrix, "" if shown is None else shown.GetName())
    baselineTransform.place(transform, baselineNode, volumeNode)
    for reference in (SUBTRACTION, EARLIER):
        volume = slicer.mrmlScene.GetNodeByID(references.get(reference, ""))
        if volume is not None:
            volume.SetAndObserveTransformNodeID(transform.GetID())
    return transform
