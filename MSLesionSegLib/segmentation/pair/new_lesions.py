"""The task ``new`` from end to end: two FLAIRs in; masks in both native spaces, table, page and manifest out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.imaging.checks.comparability import Check, overall
from MSLesionSegLib.imaging.dicom import acquisition_date
from MSLesionSegLib.imaging.reading import Finding, Scan, read_scan
from MSLesionSegLib.imaging.registration import REGISTRATION_METHODS, RegistrationMethod
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.lesions.followup import FollowedLesion, count_followed, follow_table, write_followed
from MSLesionSegLib.lesions.regions import fit_atlas
from MSLesionSegLib.lesions.states import STATES
from MSLesionSegLib.network.device import check_device, choose_device
from MSLesionSegLib.network.models.model_in_use import model_in_use, warn_if_damaged
from MSLesionSegLib.segmentation import result_folder as outputs
from MSLesionSegLib.segmentation import stages
from MSLesionSegLib.segmentation.manifest import make_manifest
from MSLesionSegLib.segmentation.pair.comparison import (
    Change,
    ChangeSettings,
    Timepoint,
    find_change,
    with_lesions,
)
from MSLesionSegLib.segmentation.pair.earlier_ids import (
    LESIONS,
    counts_withheld,
    ids_digest,
    read_earlier_ids,
)
from MSLesionSegLib.segmentation.pair.native_space import ids_on, map_on
from MSLesionSegLib.segmentation.segment import CONNECTIVITY, check_rule
from MSLesionSegLib.tasks import get_task

if TYPE_CHECKING:
    from MSLesionSegLib.network.models.card import ModelCard
    from MSLesionSegLib.network.models.store import Model

TASK = "new"
DEFAULT_REGISTRATION: RegistrationMethod = "rigid"


@dataclass(frozen=True)
class PairRequest:
    """What to compare and how. ``None`` leaves a setting to the model's card.

    Attributes:
        baseline, followup: FLAIR files or DICOM folders.
        output: folder to make.
        model, flair_model: names of stored models, or model folders, of the tasks ``new`` and ``flair``.
        registration: preset of the follow-up's registration to the baseline.
        device: ``auto``, ``cpu`` or ``cuda``.
        threshold, minimum_mm3, minimum_peak: what counts as change, see
            :class:`~MSLesionSegLib.lesions.components.LesionRule`.
        flips: average over mirrored inputs in all three networks; four times as long.
        n4: correct the bias field of both scans first.
        previous: folder of an earlier comparison whose follow-up is now the baseline, or its numbered lesions;
            lesions keep their ids.
        force: give counts although the scans cannot be compared.
        overwrite: replace an earlier result of the same task in ``output``.
    """

    baseline: Path
    followup: Path
    output: Path
    model: str | None = None
    flair_model: str | None = None
    registration: RegistrationMethod = DEFAULT_REGISTRATION
    device: str = "auto"
    threshold: float | None = None
    minimum_mm3: float | None = None
    minimum_peak: float | None = None
    flips: bool = False
    n4: bool = False
    previous: Path | None = None
    force: bool = False
    overwrite: bool = False

    @property
    def task(self) -> str:
        """Of the task table."""
        return TASK


@dataclass(frozen=True)
class PairResult:
    """What came out.

    Attributes:
        folder, files: the result folder and its files by role.
        lesions: rows of the table; empty when the counts are withheld.
        counts: as in the manifest, or None when they are withheld.
        light: the worst light of ``checks``.
        checks: comparability.
        settings: everything that decides the numbers.
        findings: what was noticed about the inputs.
        timings: seconds by stage and ``total``.
    """

    folder: Path
    files: dict[str, Path]
    lesions: tuple[FollowedLesion, ...]
    counts: dict[str, Any] | None
    light: str
    checks: tuple[Check, ...]
    settings: dict[str, Any]
    findings: tuple[Finding, ...]
    timings: dict[str, float]


def segment_pair(request: PairRequest, progress: Progress) -> PairResult:
    """Compare two FLAIRs of one patient and write the result folder, whole or not at all.

    Raises:
        MSLesionSegError: an input, model, setting or output cannot be used; the sentence says what to do.
        Cancelled: the person stopped it; nothing was written.
    """
    from MSLesionSegLib.network.models.store import find_model, load_model

    check_pair(request)
    task = get_task(TASK)
    names = request.model or model_in_use(TASK), request.flair_model or model_in_use("flair")
    sources = [request.baseline, request.followup, *map(find_model, names)]
    sources += [request.previous] if request.previous else []
    outputs.check_output(request.output, TASK, overwrite=request.overwrite, inputs=sources)
    watch = stages.StageWatch(progress)

    watch.stage(stages.READ)
    files = {"baseline": request.baseline, "followup": request.followup}
    scans = {i.name: read_scan(files[i.name], sequence=i.sequence) for i in task.inputs}
    previous = read_earlier_ids(request.previous, scans["baseline"].image) if request.previous else None
    remarks = pair_findings(scans["baseline"], scans["followup"])
    if previous is not None and counts_withheld(request.previous):
        sentence = (
            f"The earlier comparison counts no lesions, so all get new ids, from {previous.highest + 1} on."
        )
        remarks += (Finding("new-ids", sentence),)
    for finding in (*(f for scan in scans.values() for f in scan.findings), *remarks):
        watch.warning(finding.code, finding.sentence)

    watch.stage(stages.MODEL)
    if None in (request.model, request.flair_model):
        warn_if_damaged(watch)
    model, flair_model = load_model(names[0], task=TASK), load_model(names[1], task="flair")
    settings = change_settings(request, model.card, flair_model.card)

    points, doubts = _timepoints(scans, request, flair_model, settings, watch)
    remarks += doubts
    change = find_change(*points, model, settings, previous=previous, progress=watch)
    withheld = overall(change.checks) == "red" and not request.force
    rows: list[FollowedLesion] = []
    regions: nib.Nifti1Image | None = None
    if not withheld:
        rows, problem, regions = _table(change, watch)
        remarks += problem
    watch.stage(stages.WRITE)
    models = model, flair_model
    return _write(request, scans, models, settings, change, rows, regions, withheld, remarks, watch)


def pair_findings(baseline: Scan, followup: Scan) -> tuple[Finding, ...]:
    """What is odd about two scans as a pair: the same acquisition twice, or the wrong order."""
    found = []
    same = baseline.sha256 == followup.sha256 or (
        baseline.image.shape == followup.image.shape
        and np.array_equal(np.asarray(baseline.image.dataobj), np.asarray(followup.image.dataobj))
    )
    if same:
        found.append(
            Finding(
                "same-scan",
                "Baseline and follow-up are the same acquisition. Check that the right files were given.",
            )
        )
    dates = acquisition_date(baseline.path), acquisition_date(followup.path)
    if all(dates) and dates[0] > dates[1]:
        found.append(
            Finding(
                "wrong-order",
                "The follow-up was acquired before the baseline. Swap the two, or read new lesions as vanished ones.",
            )
        )
    return tuple(found)


def change_settings(request: PairRequest, card: ModelCard, flair: ModelCard) -> ChangeSettings:
    """The settings of a request, filled in from the models' cards."""

    def given(value: float | None, otherwise: float) -> float:
        return float(otherwise if value is None else value)

    return ChangeSettings(
        rule=LesionRule(
            given(request.threshold, card.threshold),
            given(request.minimum_mm3, card.minimum_mm3),
            given(request.minimum_peak, card.minimum_peak),
            CONNECTIVITY,
        ),
        flair_rule=LesionRule(flair.threshold, flair.minimum_mm3, flair.minimum_peak, CONNECTIVITY),
        registration=request.registration,
        device=choose_device(request.device),
        flips=request.flips,
    )


def pair_settings(request: PairRequest, card: ModelCard, flair: ModelCard) -> dict[str, Any]:
    """Everything that decides the numbers, as the manifest names it."""
    return _shown_settings(request, change_settings(request, card, flair))


def check_pair(request: PairRequest) -> None:
    """Refuse settings that make no sense.

    Raises:
        SettingsError: with what is allowed.
    """
    if request.registration not in REGISTRATION_METHODS:
        raise SettingsError(
            f"There is no registration '{request.registration}'. Known ones: {', '.join(REGISTRATION_METHODS)}."
        )
    check_rule(request.threshold, request.minimum_mm3, request.minimum_peak)
    check_device(request.device)


def _timepoints(
    scans: Mapping[str, Scan],
    request: PairRequest,
    flair_model: Model,
    settings: ChangeSettings,
    watch: stages.StageWatch,
) -> tuple[tuple[Timepoint, Timepoint], tuple[Finding, ...]]:
    from MSLesionSegLib.network.brain_extraction import brain_mask
    from MSLesionSegLib.network.brain_judgement import judge_brain_of

    images = {name: scan.image for name, scan in scans.items()}
    inner = watch.within(stages.BRAIN)
    brains = {name: brain_mask(image, progress=inner) for name, image in images.items()}
    doubts = tuple(
        doubt
        for name, brain in brains.items()
        for doubt in judge_brain_of(get_task(TASK).scan(name).title, brain)
    )
    for doubt in doubts:
        watch.warning(doubt.code, doubt.sentence)
    if request.n4:
        from MSLesionSegLib.imaging.bias import n4

        watch.stage(stages.BIAS)
        images = {name: n4(image, brains[name]) for name, image in images.items()}
    points = []
    for name, stage in (("baseline", stages.FLAIR_BEFORE), ("followup", stages.FLAIR_AFTER)):
        inner = watch.within(stage)
        points.append(with_lesions(Timepoint(images[name], brains[name]), flair_model, settings, inner))
    return (points[0], points[1]), doubts


def _table(
    change: Change, watch: stages.StageWatch
) -> tuple[list[FollowedLesion], tuple[Finding, ...], nib.Nifti1Image | None]:
    """Rows, what is to be said about their regions, and the regions in the baseline's space if they are known."""
    watch.stage(stages.REGIONS)
    pair = change.subtraction
    on_grid = (
        nib.Nifti1Image(pair.baseline, pair.affine),
        nib.Nifti1Image(pair.brain.astype(np.uint8), pair.affine),
    )
    regions = fit_atlas(*on_grid) if change.tracked.states else None
    problem: tuple[Finding, ...] = ()
    if regions is not None and regions.problem:
        problem = (Finding("regions-undetermined", regions.problem),)
        watch.warning(problem[0].code, problem[0].sentence)
    strongest = np.maximum(change.appeared, change.gone)
    rows = follow_table(change.tracked, strongest, pair.affine, regions)
    return rows, problem, None if regions is None or problem else regions.labels


def file_names(*, withheld: bool, regions: bool = False) -> dict[str, str]:
    """File names of a result by role. They tell the space, and nothing of the names of the inputs."""
    names = {"subtraction": "space-baseline_desc-subtraction_map.nii.gz"}
    for space in ("baseline", "followup"):
        names[f"{space}_probability"] = f"space-{space}_label-newlesion_probseg.nii.gz"
        names[f"{space}_brain"] = f"space-{space}_desc-brain_mask.nii.gz"
        if not withheld:
            names[f"{space}_mask"] = f"space-{space}_label-newlesion_mask.nii.gz"
            names[f"{space}_lesions"] = LESIONS.format(space)
            names[f"{space}_states"] = f"space-{space}_label-state_dseg.nii.gz"
    if not withheld:
        names["table"] = "lesions.csv"
    if regions:
        names["regions"] = "space-baseline_res-1mm_desc-regions_dseg.nii.gz"
    return names | {
        "transform": "from-followup_to-baseline_xfm.h5",
        "report": "report.html",
        "manifest": outputs.MANIFEST,
    }


def _write(
    request: PairRequest,
    scans: Mapping[str, Scan],
    models: tuple[Model, Model],
    settings: ChangeSettings,
    change: Change,
    rows: list[FollowedLesion],
    regions: nib.Nifti1Image | None,
    withheld: bool,
    remarks: tuple[Finding, ...],
    watch: stages.StageWatch,
) -> PairResult:
    from MSLesionSegLib.segmentation.report.pair_report import write_pair_report

    names = file_names(withheld=withheld, regions=regions is not None)
    shown = _shown_settings(request, settings)
    counts = None if withheld else count_followed(rows)
    light = overall(change.checks)
    cards = [model.card for model in models]
    manifest = make_manifest(
        task=TASK,
        scans=scans,
        model={"name": cards[0].name, "weights_sha256": cards[0].weights_sha256},
        settings=shown,
        counts=counts or {},
        remarks=remarks,
        files=names,
    )
    manifest["flair_model"] = {"name": cards[1].name, "weights_sha256": cards[1].weights_sha256}
    manifest["highest_id"] = change.tracked.highest_id
    manifest["previous"] = ids_digest(request.previous)
    manifest["comparability"] = {
        "light": light,
        "counts": "withheld" if withheld else "given",
        "checks": [_as_json(check) for check in change.checks],
    }
    with outputs.staged(request.output, TASK, overwrite=request.overwrite) as folder:
        _write_images(folder, names, scans, change)
        if regions is not None:
            outputs.save_image(np.asarray(regions.dataobj), regions, folder / names["regions"])
        watch.stage(stages.WRITE, 0.6)
        if not withheld:
            write_followed(rows, folder / names["table"])
        write_pair_report(folder / names["report"], manifest, change, rows)
        watch.stage(stages.WRITE, 0.95)
        manifest["timings_s"] = watch.total()
        outputs.write_manifest(manifest, folder)
    return PairResult(
        folder=request.output,
        files={role: request.output / name for role, name in names.items()},
        lesions=tuple(rows),
        counts=counts,
        light=light,
        checks=change.checks,
        settings=shown,
        findings=(*(finding for scan in scans.values() for finding in scan.findings), *remarks),
        timings=manifest["timings_s"],
    )


def _write_images(folder: Path, names: Mapping[str, str], scans: Mapping[str, Scan], change: Change) -> None:
    import SimpleITK as sitk

    pair, tracked = change.subtraction, change.tracked
    code = np.zeros(max(tracked.states, default=0) + 1, np.uint8)
    for number, state in tracked.states.items():
        code[number] = 1 + STATES.index(state)
    spaces = {"baseline": (None, tracked.before), "followup": (change.registration, tracked.after)}
    for space, (registration, present) in spaces.items():
        image = scans[space].image

        def save(role: str, data: np.ndarray, image: nib.Nifti1Image = image, space: str = space) -> None:
            outputs.save_image(data, image, folder / names[f"{space}_{role}"])

        save("probability", map_on(change.appeared, pair.affine, image, registration).clip(0, 1))
        save("brain", (map_on(pair.brain, pair.affine, image, registration) >= 0.5).astype(np.uint8))
        if f"{space}_mask" not in names:
            continue
        came = np.where(tracked.after & ~tracked.before, tracked.labels, 0)
        here = np.where(present, tracked.labels, 0)
        ids = ids_on(here, pair.affine, image, registration)
        save("lesions", ids.astype(np.uint8 if ids.max(initial=0) < 256 else np.int32))
        save("mask", (ids_on(came, pair.affine, image, registration) > 0).astype(np.uint8))
        save("states", code[ids_on(tracked.labels, pair.affine, image, registration)])
    outputs.save_image(
        map_on(pair.difference, pair.affine, scans["baseline"].image, None),
        scans["baseline"].image,
        folder / names["subtraction"],
    )
    sitk.WriteTransform(change.registration.forward, str(folder / names["transform"]))


def _shown_settings(request: PairRequest, settings: ChangeSettings) -> dict[str, Any]:
    return {
        "threshold": settings.rule.threshold,
        "minimum_mm3": settings.rule.minimum_mm3,
        "minimum_peak": settings.rule.minimum_peak,
        "connectivity": settings.rule.connectivity,
        "flair_threshold": settings.flair_rule.threshold,
        "flair_minimum_mm3": settings.flair_rule.minimum_mm3,
        "limits": asdict(settings.limits),
        "registration": settings.registration,
        "device": settings.device,
        "flips": settings.flips,
        "n4": request.n4,
        "force": request.force,
    }


def _as_json(check: Check) -> dict[str, Any]:
    value = None if np.isnan(check.value) else round(check.value, 4)
    return {"name": check.name, "light": check.light, "value": value, "sentence": check.sentence}
