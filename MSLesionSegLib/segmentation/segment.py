"""One task from end to end: scans in; mask, probability, lesions, table, report and manifest out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from MSLesionSegLib.errors import ModelError, SettingsError
from MSLesionSegLib.imaging.normalise import zscore
from MSLesionSegLib.imaging.reading import Finding, Scan, findings_of, read_mask, read_scan
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.lesions.components import LesionRule, find_lesions
from MSLesionSegLib.lesions.confirmation import mark_unconfirmed
from MSLesionSegLib.lesions.regions import fit_atlas
from MSLesionSegLib.lesions.table import Lesion, lesion_table, write_csv
from MSLesionSegLib.network.device import check_device, choose_device
from MSLesionSegLib.network.models.model_in_use import model_in_use, warn_if_damaged
from MSLesionSegLib.segmentation import result_folder as outputs
from MSLesionSegLib.segmentation import stages
from MSLesionSegLib.segmentation.manifest import count_lesions, make_manifest
from MSLesionSegLib.segmentation.probability import LesionProbability, lesion_probability
from MSLesionSegLib.segmentation.session import bring_together, flatten
from MSLesionSegLib.tasks import Task, get_task

if TYPE_CHECKING:
    from MSLesionSegLib.network.models.card import ModelCard
    from MSLesionSegLib.network.models.store import Model

CONNECTIVITY = 26


@dataclass(frozen=True)
class SegmentRequest:
    """What to segment and how. ``None`` leaves a setting to the model's card.

    Attributes:
        task: a row of the task table, e.g. ``flair``.
        inputs: scan file (or DICOM folder) by input name, e.g. ``{"flair": Path(...)}``.
        output: folder to make.
        model: name of a stored model, or a model folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        threshold: probability from which a voxel is lesion, above 0 and below 1.
        minimum_mm3: smaller lesions are dropped.
        minimum_peak: lesions that nowhere reach this probability are dropped.
        brain_mask: mask on the grid of the reference scan; found automatically when None.
        flips: average over mirrored inputs and write an uncertainty map; four times as long in the network.
        n4: correct the bias field first.
        overwrite: replace an earlier result of the same task in ``output``.
    """

    task: str
    inputs: Mapping[str, Path]
    output: Path
    model: str | None = None
    device: str = "auto"
    threshold: float | None = None
    minimum_mm3: float | None = None
    minimum_peak: float | None = None
    brain_mask: Path | None = None
    flips: bool | None = None
    n4: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class SegmentationResult:
    """What came out.

    Attributes:
        folder: the result folder.
        files: paths by role: ``mask``, ``probability``, ``lesions``, ``brain``, ``table``, ``report``,
            ``manifest``; with flips ``uncertainty``, and ``regions`` where the atlas could be fitted.
        lesions: rows of the lesion table, largest first.
        counts: lesions, volume and totals by region, as in the manifest.
        settings: everything that decides the numbers.
        model: name of the model.
        findings: what was noticed about the inputs.
        timings: seconds by stage and ``total``.
    """

    folder: Path
    files: dict[str, Path]
    lesions: tuple[Lesion, ...]
    counts: dict[str, Any]
    settings: dict[str, Any]
    model: str
    findings: tuple[Finding, ...]
    timings: dict[str, float]


@dataclass
class _Maps:
    """Arrays on the native grid, made step by step."""

    reference: nib.Nifti1Image
    brain: np.ndarray
    probability: np.ndarray
    labels: np.ndarray
    uncertainty: np.ndarray | None
    regions: nib.Nifti1Image | None = None
    lesions: tuple[Lesion, ...] = field(default=())
    others: Mapping[str, nib.Nifti1Image] = field(default_factory=dict)


def segment(request: SegmentRequest, progress: Progress) -> SegmentationResult:
    """Run a task on one patient and write the result folder, whole or not at all.

    Raises:
        MSLesionSegError: an input, model, setting or output cannot be used; the sentence says what to do.
        Cancelled: the person stopped it; nothing was written.
    """
    task = checked_task(request)
    outputs.check_output(
        request.output, task.name, overwrite=request.overwrite, inputs=_sources(request, task)
    )
    watch = stages.StageWatch(progress)

    watch.stage(stages.READ)
    scans = {
        i.name: read_scan(request.inputs[i.name], sequence=i.sequence)
        for i in task.inputs
        if i.name in request.inputs
    }
    for scan in scans.values():
        for finding in scan.findings:
            watch.warning(finding.code, finding.sentence)
    reference = scans[task.reference].image

    watch.stage(stages.MODEL)
    device = choose_device(request.device)
    if request.model is None:
        warn_if_damaged(watch)
    model = _load(request, task)
    settings = request_settings(request, model.card, device)

    given = request.brain_mask is not None
    brain, remarks = _brain(request, reference, watch)
    session = bring_together(task, scans, brain, brain_given=given, watch=watch)
    remarks += session.findings
    for finding in remarks:
        watch.warning(finding.code, finding.sentence)
    brain, images = session.brain, session.images
    if request.n4:
        watch.stage(stages.BIAS)
        images = flatten(session, task)

    found = lesion_probability(
        model,
        [images[name] for name in task.channels],
        brain,
        winsorise_percent=task.winsorise_percent,
        device=device,
        flips=settings["flips"],
        progress=watch,
    )
    maps = _maps(found, reference, brain, settings)
    maps.others = {name: image for name, image in session.images.items() if name != task.reference}

    watch.stage(stages.REGIONS)
    seen = found.seen
    on_grid = (
        nib.Nifti1Image(seen.channels[0], seen.affine),
        nib.Nifti1Image(seen.brain.astype(np.uint8), seen.affine),
    )
    regions = fit_atlas(*on_grid) if maps.labels.any() else None
    if regions is not None and regions.problem:
        remarks += (Finding("regions-undetermined", regions.problem),)
        watch.warning(remarks[-1].code, remarks[-1].sentence)
    elif regions is not None:
        maps.regions = regions.labels
    maps.lesions = tuple(
        lesion_table(
            nib.Nifti1Image(maps.labels, reference.affine),
            nib.Nifti1Image(maps.probability, reference.affine),
            regions,
        )
    )
    if task.confirmed_on in images:
        z = zscore(np.asarray(images[task.confirmed_on].dataobj), maps.brain, task.winsorise_percent)
        maps.lesions = mark_unconfirmed(
            maps.lesions, maps.labels, z, maps.brain, voxel_sizes(reference.affine)
        )

    watch.stage(stages.WRITE)
    return _write(request, task, scans, model, settings, remarks, maps, watch)


def checked_task(request: SegmentRequest) -> Task:
    """The row of the task table that a request names.

    Raises:
        SettingsError: no such task, a required scan is missing, or a setting is out of its range.
    """
    task = get_task(request.task)
    for scan in task.inputs:
        if scan.required and scan.name not in request.inputs:
            raise SettingsError(f"The task '{task.name}' needs a {scan.title}. Give it with --{scan.name}.")
    check_rule(request.threshold, request.minimum_mm3, request.minimum_peak)
    check_device(request.device)
    return task


def check_rule(threshold: float | None, minimum_mm3: float | None, minimum_peak: float | None) -> None:
    """Refuse values of a :class:`LesionRule` that make no sense; None leaves one to the model's card.

    Raises:
        SettingsError: with the range.
    """
    if threshold is not None and not 0.0 < threshold < 1.0:
        raise SettingsError(f"The threshold must lie between 0 and 1, not {threshold:g}.")
    if minimum_mm3 is not None and not 0.0 <= minimum_mm3 < float("inf"):
        raise SettingsError(f"The minimum lesion volume must be 0 mm3 or more, not {minimum_mm3:g}.")
    if minimum_peak is not None and not 0.0 <= minimum_peak <= 1.0:
        raise SettingsError(f"The lowest peak must lie between 0 and 1, not {minimum_peak:g}.")


def _sources(request: SegmentRequest, task: Task) -> list[Path]:
    """Everything that is read and must not be replaced by the result."""
    from MSLesionSegLib.network.models.store import find_model

    sources = [*request.inputs.values(), find_model(request.model or model_in_use(task.name))]
    return [*sources, request.brain_mask] if request.brain_mask else sources


def _load(request: SegmentRequest, task: Task) -> Model:
    from MSLesionSegLib.network.models.store import load_model

    model = load_model(request.model or model_in_use(task.name), task=task.name)
    if len(model.card.channels) != len(task.channels):
        raise ModelError(
            f"The model '{model.card.name}' takes {len(model.card.channels)} channels, "
            f"but the task '{task.name}' gives {len(task.channels)}. Choose another model."
        )
    return model


def request_settings(request: SegmentRequest, card: ModelCard, device: str) -> dict[str, Any]:
    """Everything that decides the numbers, as the manifest names it."""
    return {
        "threshold": float(card.threshold if request.threshold is None else request.threshold),
        "minimum_mm3": float(card.minimum_mm3 if request.minimum_mm3 is None else request.minimum_mm3),
        "minimum_peak": float(card.minimum_peak if request.minimum_peak is None else request.minimum_peak),
        "connectivity": CONNECTIVITY,
        "device": device,
        "brain_mask": "given" if request.brain_mask else "found automatically",
        "n4": request.n4,
        "flips": card.flips if request.flips is None else request.flips,
    }


def _brain(
    request: SegmentRequest, reference: nib.Nifti1Image, watch: stages.StageWatch
) -> tuple[nib.Nifti1Image, tuple[Finding, ...]]:
    """The brain mask, given or found, and what is doubtful about it."""
    from MSLesionSegLib.network.brain_extraction import brain_mask
    from MSLesionSegLib.network.brain_judgement import judge_brain, judge_given_brain

    inner = watch.within(stages.BRAIN)
    if request.brain_mask is not None:
        brain = read_mask(request.brain_mask, reference)
        return brain, (*findings_of(brain), *judge_given_brain(brain, reference))
    brain = brain_mask(reference, progress=inner)
    return brain, judge_brain(brain)


def _maps(
    found: LesionProbability, reference: nib.Nifti1Image, brain: nib.Nifti1Image, settings: Mapping[str, Any]
) -> _Maps:
    voxel_mm3 = float(np.prod(voxel_sizes(reference.affine)))
    rule = LesionRule(**{field.name: settings[field.name] for field in fields(LesionRule)})
    labels, _ = find_lesions(found.probability, rule, voxel_mm3)
    return _Maps(
        reference=reference,
        brain=(np.asarray(brain.dataobj) > 0).astype(np.uint8),
        probability=found.probability,
        labels=labels,
        uncertainty=found.uncertainty,
    )


def _write(
    request: SegmentRequest,
    task: Task,
    scans: Mapping[str, Scan],
    model: Model,
    settings: dict[str, Any],
    remarks: tuple[Finding, ...],
    maps: _Maps,
    watch: stages.StageWatch,
) -> SegmentationResult:
    from MSLesionSegLib.segmentation.report.report import write_report

    source = scans[task.reference]
    stem = outputs.stem_of(Path(request.inputs[task.reference]), task.reference)
    names = outputs.output_names(
        stem, uncertainty=maps.uncertainty is not None, regions=maps.regions is not None
    )
    counts = count_lesions(maps.lesions, maps.brain, maps.reference.affine)
    manifest = make_manifest(
        task=task.name,
        scans=scans,
        model={"name": model.card.name, "weights_sha256": model.card.weights_sha256},
        settings=settings,
        counts=counts,
        remarks=remarks,
        files=names,
    )
    with outputs.staged(request.output, task.name, overwrite=request.overwrite) as folder:
        outputs.save_image((maps.labels > 0).astype(np.uint8), source.image, folder / names["mask"])
        watch.stage(stages.WRITE, 0.2)
        outputs.save_image(maps.probability, source.image, folder / names["probability"])
        watch.stage(stages.WRITE, 0.5)
        outputs.save_image(_smallest_type(maps.labels), source.image, folder / names["lesions"])
        outputs.save_image(maps.brain, source.image, folder / names["brain"])
        if maps.uncertainty is not None:
            outputs.save_image(maps.uncertainty, source.image, folder / names["uncertainty"])
        if maps.regions is not None:
            outputs.save_image(np.asarray(maps.regions.dataobj), maps.regions, folder / names["regions"])
        write_csv(maps.lesions, folder / names["table"])
        watch.stage(stages.WRITE, 0.6)
        write_report(
            folder / names["report"],
            manifest,
            source.image,
            maps.brain,
            maps.labels,
            maps.lesions,
            maps.others,
        )
        watch.stage(stages.WRITE, 0.95)
        manifest["timings_s"] = watch.total()
        outputs.write_manifest(manifest, folder)
    return SegmentationResult(
        folder=request.output,
        files={role: request.output / name for role, name in names.items()},
        lesions=maps.lesions,
        counts=counts,
        settings=settings,
        model=model.card.name,
        findings=(*(finding for scan in scans.values() for finding in scan.findings), *remarks),
        timings=manifest["timings_s"],
    )


def _smallest_type(labels: np.ndarray) -> np.ndarray:
    return labels.astype(np.uint8 if labels.max(initial=0) < 256 else np.int32)
