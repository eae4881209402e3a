"""From a hospital's cases to examples on the network's grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import MSLesionSegError, SettingsError
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.progress import Progress, Silent
from MSLesionSegLib.segmentation.probability import network_input
from MSLesionSegLib.segmentation.session import bring_together
from MSLesionSegLib.segmentation.stages import StageWatch
from MSLesionSegLib.segmentation.tasks import TASKS
from MSLesionSegLib.training.case_checks import refuse_outside_brain
from MSLesionSegLib.training.cases import Case
from MSLesionSegLib.training.corrections import corrections
from MSLesionSegLib.training.examples import Example, read_examples, write_example
from MSLesionSegLib.training.prepare import fractions
from MSLesionSegLib.training.run_stages import PREPARE


def prepare_case(case: Case, folder: Path) -> Example:
    """Write a case as an example: 1 mm RAS, brain-masked, z-scored, cut to the brain.

    Several scans are brought together as segmenting does it, so that training sees what use will see. Regions that
    the reviewer corrected are the example's focus.

    Raises:
        ImageError: a file cannot be used, or most of the mask lies outside the brain.
        SettingsError: the task cannot be trained yet.
    """
    task = TASKS.get(case.task)
    if task is None or not set(task.channels) <= case.images.keys() or case.grid != task.reference:
        raise SettingsError(f"Cases of the task '{case.task}' cannot be trained on yet.")
    scans = {name: read_scan(path) for name, path in case.images.items() if name in task.channels}
    reference = scans[task.reference].image
    mask = read_mask(case.mask, reference)
    brain = brain_mask(reference)
    refuse_outside_brain(mask, brain)
    session = bring_together(task, scans, brain, brain_given=False, watch=StageWatch(Silent()))
    seen = network_input([session.images[name] for name in task.channels], session.brain, tails=task.tails)
    changed = corrections(case)
    focus = nib.Nifti1Image((np.asarray(changed.dataobj) > 0).astype(np.uint8), mask.affine)
    return write_example(
        folder, seen.channels, fractions(mask, seen), seen.brain, site=case.site, focus=fractions(focus, seen)
    )


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
