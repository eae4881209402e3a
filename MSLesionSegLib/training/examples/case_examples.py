"""From a hospital's cases to examples on the network's grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.cases.checking import refuse_impossible
from MSLesionSegLib.cases.corrections import corrections
from MSLesionSegLib.cases.record import Case
from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.imaging.registration import register
from MSLesionSegLib.imaging.subtraction import subtract
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.lesions.components import bounding_box
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.segmentation.longitudinal.comparison import channels_of
from MSLesionSegLib.segmentation.probability import MARGIN_VOXELS, NetworkInput, network_input
from MSLesionSegLib.segmentation.request import DEFAULT_REGISTRATION
from MSLesionSegLib.segmentation.session import coregister
from MSLesionSegLib.segmentation.stages import StageWatch
from MSLesionSegLib.tasks import get_task
from MSLesionSegLib.training.examples.dataset_examples import fractions
from MSLesionSegLib.training.examples.example import Example, read_examples, write_example
from MSLesionSegLib.training.loop.stages import PREPARE


def prepare_case(case: Case, folder: Path) -> Example:
    """Write a case as an example: 1 mm RAS, brain-masked, z-scored, cut to the brain.

    Several scans are brought together as segmenting does it, so that training sees what use will see. Regions that
    the reviewer corrected are the example's focus.

    Raises:
        ImageError: a file cannot be used, the scans cannot be brought together, or the mask cannot be one of
            lesions on them.
    """
    scans = {name: read_scan(path).image for name, path in case.images.items()}
    brain = brain_mask(scans[case.grid])
    mask = read_mask(case.mask, scans[case.grid])
    refuse_impossible(mask, brain)
    changed = corrections(case)
    focus = nib.Nifti1Image((np.asarray(changed.dataobj) > 0).astype(np.uint8), mask.affine)
    bring = _compared if get_task(case.task).compares else _one_session
    seen, label, attention = bring(case, brain, mask, focus)
    return write_example(folder, seen.channels, label, seen.brain, site=case.site, focus=attention)


def _one_session(
    case: Case, brain: nib.Nifti1Image, mask: nib.Nifti1Image, focus: nib.Nifti1Image
) -> tuple[NetworkInput, np.ndarray, np.ndarray]:
    """What a network sees of scans of one session, with mask and focus as fractions on its grid."""
    task = get_task(case.task)
    scans = {name: read_scan(path) for name, path in case.images.items() if name in task.channels}
    session = coregister(task, scans, brain, brain_given=False, watch=StageWatch(Silent()))
    seen = network_input(
        [session.images[name] for name in task.channels],
        session.brain,
        winsorise_percent=task.winsorise_percent,
    )
    return seen, fractions(mask, seen), fractions(focus, seen)


def _compared(
    case: Case, brain: nib.Nifti1Image, mask: nib.Nifti1Image, focus: nib.Nifti1Image
) -> tuple[NetworkInput, np.ndarray, np.ndarray]:
    """As :func:`_one_session` of two visits: in the space of the baseline, wherever the mask was drawn."""
    images = {name: read_scan(case.images[name]).image for name in ("baseline", "followup")}
    brains = {name: brain if name == case.grid else brain_mask(image) for name, image in images.items()}
    registration = register(
        images["followup"],
        images["baseline"],
        preset=DEFAULT_REGISTRATION,
        moving_mask=brains["followup"],
        fixed_mask=brains["baseline"],
    )
    pair = subtract(
        images["baseline"], images["followup"], brains["baseline"], brains["followup"], registration
    )
    box = bounding_box(pair.brain, margin=MARGIN_VOXELS) or (slice(None),) * 3
    inside = nib.Nifti1Image(pair.brain.astype(np.uint8), pair.affine).slicer[box]
    channels = channels_of(get_task(case.task).channels, pair.baseline, pair.followup)
    seen = NetworkInput(channels[(slice(None), *box)], pair.brain[box], inside.affine)
    if case.grid == "baseline":
        return seen, fractions(mask, seen), fractions(focus, seen)
    moved = (np.asarray(registration.apply(drawn, inside).dataobj) * seen.brain for drawn in (mask, focus))
    return seen, *moved


def prepare_cases(cases: Sequence[Case], out: Path, progress: Progress) -> list[Example]:
    """Prepare cases one by one; what is prepared already is kept, what cannot be used is reported and left out."""
    examples = []
    for k, case in enumerate(cases):
        progress.stage(PREPARE, k / len(cases))
        folder = out / f"{case.case_id}_{case.sha256[:12]}"
        try:
            if not (folder / "example.json").exists():
                prepare_case(case, folder)
            examples.extend(read_examples(folder))
        except MSLesionSegError as error:
            progress.warning(error.code, f"{case.case_id} is left out: {error}")
    return examples
