"""The scans of one session on one grid: aligned, checked against each other, with one brain mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks.gadolinium import check_different, check_order
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.reading import Scan
from MSLesionSegLib.segmentation import stages
from MSLesionSegLib.tasks import Task


@dataclass(frozen=True)
class Session:
    """Scans on the grid of the reference.

    Attributes:
        images: by name of the input.
        brain: uint8 mask of what every channel of the network shows as brain.
        findings: what was noticed about the scans together.
    """

    images: dict[str, nib.Nifti1Image]
    brain: nib.Nifti1Image
    findings: tuple[InputWarning, ...] = ()


def coregister(
    task: Task,
    scans: Mapping[str, Scan],
    brain: nib.Nifti1Image,
    *,
    brain_given: bool,
    watch: stages.StageWatch,
) -> Session:
    """Register the scans of a task to its reference and check that they belong together.

    Args:
        task: a row of the task table.
        scans: by name of the input.
        brain: mask on the grid of the reference.
        brain_given: whether a person gave that mask; then it is only cut to what the scans show.
        watch: told the stage ``ALIGN``, if there is something to align.

    Raises:
        ImageError: one scan twice, before and after swapped, fields of view that do not overlap, or no brain that all
            scans show.
    """
    from MSLesionSegLib.segmentation.alignment import align

    reference = scans[task.reference]
    images = {task.reference: reference.image}
    others = [name for name in scans if name != task.reference]
    if not others:
        return Session(images, brain)
    if task.before_after:
        before, after = task.before_after
        check_different(scans[before], scans[after])
    findings: list[InputWarning] = []
    common = np.asarray(brain.dataobj) > 0
    for name in others:
        inner = watch.within(stages.ALIGN)
        aligned = align(scans[name], task.scan(name).title, reference, brain, progress=inner)
        images[name] = aligned.image
        findings += aligned.findings
        if name in task.channels:
            common &= aligned.seen if brain_given else np.asarray(aligned.brain.dataobj) > 0
    if not common.any():
        raise ImageError("The scans show no part of the brain together. Check that they are of one patient.")
    brain = nib.Nifti1Image(common.astype(np.uint8), brain.affine)
    if task.before_after:
        before, after = task.before_after
        findings += check_order(images[before], images[after], brain)
    return Session(images, brain, tuple(findings))


def correct_bias(session: Session, task: Task) -> dict[str, nib.Nifti1Image]:
    """The channels divided by one bias field, that of the first: what enhances must not bend the field.

    A field of its own for each scan would change how bright one is relative to the other.
    """
    from MSLesionSegLib.imaging.bias_field import bias_field, divide

    field = bias_field(session.images[task.channels[0]], session.brain)
    return {
        name: divide(image, field) if name in task.channels else image
        for name, image in session.images.items()
    }
