"""Lesions on the scans of one session: from scans and model to labels, table and what is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from MSLesionSegLib.imaging.normalization import zscore
from MSLesionSegLib.imaging.reading import InputWarning, read_mask, warnings_of
from MSLesionSegLib.imaging.writing import save_image
from MSLesionSegLib.lesions.components import find_lesions
from MSLesionSegLib.lesions.flair_confirmation import mark_unconfirmed
from MSLesionSegLib.lesions.possible import possible_lesions
from MSLesionSegLib.lesions.table import Lesion, lesion_table, write_lesion_table
from MSLesionSegLib.network.models.confidence import Confidence
from MSLesionSegLib.segmentation import stages
from MSLesionSegLib.segmentation.manifest import count_lesions
from MSLesionSegLib.segmentation.probability import network_input, probability_of
from MSLesionSegLib.segmentation.request import lesion_rule
from MSLesionSegLib.segmentation.result_folder import output_names, stem_of
from MSLesionSegLib.segmentation.run import FoundLesions, Run, fit_regions, remark_on, smallest_type
from MSLesionSegLib.segmentation.scan_trust import judge_scan
from MSLesionSegLib.segmentation.session import coregister, correct_bias


def find_on_session(run: Run) -> FoundLesions:
    """Find lesions on scans of one session, in the space of the task's reference.

    Raises:
        ImageError: a scan or the brain mask cannot be used, or the scans do not belong together.
    """
    request, task, watch, model = run.request, run.task, run.watch, run.models["model"]
    scan = run.scans[task.reference].image
    given = request.brain_mask is not None
    with ThreadPoolExecutor(1) as beside:  # the network leaves the cores time for what does not wait for it
        brain, doubts = _brain(run, scan, beside)
        session = coregister(task, run.scans, brain, brain_given=given, watch=watch)
        watch.tell(session.findings)
        images = session.images
        if request.n4:
            watch.stage(stages.BIAS)
            images = correct_bias(session, task)
        watch.stage(stages.PREPARE)
        channels = [images[name] for name in task.channels]
        seen = network_input(channels, session.brain, model.card.spacing_mm, task.winsorise_percent)
        fitted = beside.submit(fit_regions, seen.channels[0], seen.brain, seen.affine)
        found = probability_of(
            model,
            seen,
            session.brain,
            device=run.settings["device"],
            mirroring=run.settings["flips"],
            progress=watch,
        )
        brain_remarks = doubts()
    watch.tell(brain_remarks)
    remarks = (*brain_remarks, *session.findings)
    inside = (np.asarray(session.brain.dataobj) > 0).astype(np.uint8)
    rule = lesion_rule(request, model.card)
    voxel_mm3 = float(np.prod(voxel_sizes(scan.affine)))
    labels, _ = find_lesions(found.probability, rule, voxel_mm3)
    maybe = possible_lesions(found.probability, labels, voxel_mm3, rule.connectivity)

    confidence = Confidence.of(model.card)
    facts: dict[str, Any] = {}
    if confidence is not None:
        trust = judge_scan(found, inside, labels, task.scan(task.reference).title, confidence)
        watch.tell(trust.warnings)
        remarks += trust.warnings
        facts["confidence"] = trust.as_dict() | {"lesions": asdict(confidence.lesions)}

    watch.stage(stages.REGIONS)
    regions = fitted.result() if labels.any() or maybe.any() else None
    unclear = () if regions is None else remark_on(regions, watch)
    probability = nib.Nifti1Image(found.probability, scan.affine)

    def listed(ids: np.ndarray) -> tuple[Lesion, ...]:
        image = nib.Nifti1Image(ids, scan.affine)
        return tuple(lesion_table(image, probability, regions, confidence.lesions if confidence else None))

    lesions, possible = listed(labels), listed(maybe)
    if task.confirmed_on in images:
        z = zscore(np.asarray(images[task.confirmed_on].dataobj), inside, task.winsorise_percent)
        lesions = mark_unconfirmed(lesions, labels, z, inside, voxel_sizes(scan.affine))

    writers: dict[str, Any] = {
        "mask": partial(save_image, (labels > 0).astype(np.uint8), scan),
        "probability": partial(save_image, found.probability, scan),
        "lesions": partial(save_image, smallest_type(labels), scan),
        "brain": partial(save_image, inside, scan),
    }
    if found.uncertainty is not None:
        writers["uncertainty"] = partial(save_image, found.uncertainty, scan)
    if task.before_after:
        before, after = (
            zscore(np.asarray(images[name].dataobj), inside, task.winsorise_percent)
            for name in task.before_after
        )
        writers["subtraction"] = partial(save_image, after - before, scan)
    if regions is not None and not unclear:
        writers["regions"] = partial(save_image, np.asarray(regions.labels.dataobj), regions.labels)
    writers["table"] = partial(write_lesion_table, lesions)
    if possible:
        writers["possible"] = partial(save_image, smallest_type(maybe), scan)
        writers["possible_table"] = partial(write_lesion_table, possible)
    others = {name: image for name, image in session.images.items() if name != task.reference}

    def write_page(path: Path, manifest: Mapping[str, Any]) -> None:
        from MSLesionSegLib.segmentation.report.report import write_report

        places = maybe if request.viewer else None
        write_report(path, manifest, scan, inside, labels, lesions, others, possible, places)

    return FoundLesions(
        lesions=lesions,
        counts=count_lesions(lesions, inside, scan.affine),
        names=output_names(
            request.stem or stem_of(request.inputs[task.reference], task.reference),
            uncertainty="uncertainty" in writers,
            subtraction="subtraction" in writers,
            regions="regions" in writers,
            possible="possible" in writers,
        ),
        writers=writers,
        write_page=write_page,
        remarks=(*remarks, *unclear),
        facts=facts | {"possible_lesions": len(possible)},
    )


def _brain(
    run: Run, scan: nib.Nifti1Image, beside: Executor
) -> tuple[nib.Nifti1Image, Callable[[], tuple[InputWarning, ...]]]:
    """The brain mask, given or found, and what waits until it is known what is doubtful about it."""
    from MSLesionSegLib.network.brain_extraction import brain_mask
    from MSLesionSegLib.network.brain_mask_check import judge_brain, judge_given_brain

    inner = run.watch.within(stages.BRAIN)
    if run.request.brain_mask is not None:
        brain = read_mask(run.request.brain_mask, scan)
        remarks = (*warnings_of(brain), *judge_given_brain(brain, scan))
        return brain, lambda: remarks
    brain = brain_mask(scan, device=run.settings["device"], progress=inner)
    return brain, beside.submit(judge_brain, brain).result
