"""What changed between two visits: two FLAIRs in, lesions with states out, written in both native spaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.imaging.checks.comparability import ComparabilityCheck, overall
from MSLesionSegLib.imaging.dicom import acquisition_date
from MSLesionSegLib.imaging.reading import InputWarning, Scan
from MSLesionSegLib.imaging.registration import Registration
from MSLesionSegLib.imaging.writing import save_image
from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.lesions.followup_table import FollowedLesion, count_followed, follow_table, write_followed
from MSLesionSegLib.lesions.lesion_states import STATES
from MSLesionSegLib.lesions.regions import RegionMap
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.confidence import Confidence
from MSLesionSegLib.segmentation import stages
from MSLesionSegLib.segmentation.longitudinal.comparison import (
    ChangeSettings,
    LesionChange,
    Timepoint,
    find_change,
    lesions_of,
)
from MSLesionSegLib.segmentation.longitudinal.earlier_ids import (
    LESIONS,
    counts_withheld,
    ids_digest,
    read_earlier_ids,
)
from MSLesionSegLib.segmentation.longitudinal.native_space import ids_on, map_on
from MSLesionSegLib.segmentation.request import CONNECTIVITY, SegmentRequest, lesion_rule
from MSLesionSegLib.segmentation.result_folder import MANIFEST
from MSLesionSegLib.segmentation.run import FoundLesions, Run, fit_regions, remark_on, smallest_type
from MSLesionSegLib.segmentation.scan_trust import judge_likeness


def find_between_visits(run: Run) -> FoundLesions:
    """Compare two FLAIRs of one patient.

    Raises:
        ImageError: the scans cannot be registered or hardly overlap, or the earlier ids cannot be used.
    """
    request, scans, watch = run.request, run.scans, run.watch
    cards = {role: model.card for role, model in run.models.items()}
    remarks = pair_findings(scans["baseline"], scans["followup"])
    previous = None
    if request.previous:
        previous = read_earlier_ids(request.previous, scans["baseline"].image)
        if counts_withheld(request.previous):
            first = previous.highest + 1
            sentence = f"The earlier comparison counts no lesions, so all get new ids, from {first} on."
            remarks += (InputWarning("new-ids", sentence),)
    watch.tell(remarks)
    settings = change_settings(request, cards, run.settings["device"])
    baseline, followup, doubts = _timepoints(run, settings)
    change = find_change(baseline, followup, run.models["model"], settings, previous=previous, progress=watch)
    light = overall(change.checks)
    withheld = light == "red" and not request.force
    rows, regions, unclear = ([], None, ()) if withheld else _table(change, watch)
    names = file_names(withheld=withheld, regions=regions is not None and not unclear)

    def write_page(path: Path, manifest: Mapping[str, Any]) -> None:
        from MSLesionSegLib.segmentation.report.pair_report import write_pair_report

        shown = {name: scan.image for name, scan in scans.items()} if request.viewer else None
        write_pair_report(path, manifest, change, rows, shown)

    return FoundLesions(
        lesions=rows,
        counts=None if withheld else count_followed(rows),
        names=names,
        writers=_writers(names, scans, change, rows, regions),
        write_page=write_page,
        remarks=(*remarks, *doubts, *unclear),
        facts={
            "highest_id": change.tracked.highest_id,
            "previous": ids_digest(request.previous),
            "comparability": {
                "light": light,
                "counts": "withheld" if withheld else "given",
                "checks": [_as_json(check) for check in change.checks],
            },
        },
        checks=change.checks,
    )


def pair_findings(baseline: Scan, followup: Scan) -> tuple[InputWarning, ...]:
    """What is odd about two scans as a pair: the same acquisition twice, or the wrong order."""
    found = []
    same = baseline.sha256 == followup.sha256 or (
        baseline.image.shape == followup.image.shape
        and np.array_equal(np.asarray(baseline.image.dataobj), np.asarray(followup.image.dataobj))
    )
    if same:
        found.append(
            InputWarning(
                "same-scan",
                "Baseline and follow-up are the same acquisition. Check that the right files were given.",
            )
        )
    before, after = acquisition_date(baseline.path), acquisition_date(followup.path)
    if before and after and before > after:
        found.append(
            InputWarning(
                "wrong-order",
                "The follow-up was acquired before the baseline. Swap the two, or read new lesions as vanished ones.",
            )
        )
    return tuple(found)


def change_settings(request: SegmentRequest, cards: Mapping[str, ModelCard], device: str) -> ChangeSettings:
    """The settings of a comparison, filled in from the models' cards."""
    flair = cards["flair_model"]
    return ChangeSettings(
        rule=lesion_rule(request, cards["model"]),
        flair_rule=LesionRule(flair.threshold, flair.minimum_mm3, flair.minimum_peak, CONNECTIVITY),
        registration=request.registration,
        device=device,
        mirroring=bool(request.mirroring),
    )


def _timepoints(run: Run, settings: ChangeSettings) -> tuple[Timepoint, Timepoint, tuple[InputWarning, ...]]:
    """Both scans with brain and lesions, and what is doubtful about the brains and their gray values."""
    from MSLesionSegLib.network.brain_extraction import brain_mask
    from MSLesionSegLib.network.brain_mask_check import judge_brain_of

    watch = run.watch
    images = {name: scan.image for name, scan in run.scans.items()}
    inner = watch.within(stages.BRAIN)
    device = run.settings["device"]
    brains = {name: brain_mask(image, device=device, progress=inner) for name, image in images.items()}
    doubts = tuple(
        doubt for name, brain in brains.items() for doubt in judge_brain_of(run.task.scan(name).title, brain)
    )
    watch.tell(doubts)
    if run.request.n4:
        from MSLesionSegLib.imaging.bias_field import n4

        watch.stage(stages.BIAS)
        images = {name: n4(image, brains[name]) for name, image in images.items()}

    model = run.models["flair_model"]
    confidence = Confidence.of(model.card)

    def read(name: str, stage: str) -> tuple[Timepoint, tuple[InputWarning, ...]]:
        flair, brain = images[name], brains[name]
        found = lesions_of(flair, brain, model, settings, watch.within(stage))
        unlike = () if confidence is None else judge_likeness(found, run.task.scan(name).title, confidence)
        watch.tell(unlike)
        return Timepoint(flair, brain, nib.Nifti1Image(found.probability, flair.affine)), unlike

    before, unlike_before = read("baseline", stages.FLAIR_BEFORE)
    after, unlike_after = read("followup", stages.FLAIR_AFTER)
    return before, after, (*doubts, *unlike_before, *unlike_after)


def _table(
    change: LesionChange, watch: stages.StageWatch
) -> tuple[list[FollowedLesion], RegionMap | None, tuple[InputWarning, ...]]:
    """Rows, regions in the baseline's space, and what is to be said about these."""
    watch.stage(stages.REGIONS)
    pair = change.subtraction
    changed = bool(change.tracked.states)
    regions = fit_regions(pair.baseline, pair.brain, pair.affine) if changed else None
    unclear = () if regions is None else remark_on(regions, watch)
    strongest = np.maximum(change.appeared, change.gone)
    return follow_table(change.tracked, strongest, pair.affine, regions), regions, unclear


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
        "manifest": MANIFEST,
    }


def _writers(
    names: Mapping[str, str],
    scans: Mapping[str, Scan],
    change: LesionChange,
    rows: list[FollowedLesion],
    regions: RegionMap | None,
) -> dict[str, Callable[[Path], object]]:
    """What writes each of the named files but page and manifest; maps are resampled only then."""
    import SimpleITK as sitk

    pair, tracked = change.subtraction, change.tracked
    code = np.zeros(max(tracked.states, default=0) + 1, np.uint8)
    for number, state in tracked.states.items():
        code[number] = 1 + STATES.index(state)
    came = np.where(tracked.after & ~tracked.before, tracked.labels, 0)
    baseline = scans["baseline"].image
    writers: dict[str, Callable[[Path], object]] = {}

    def add(role: str, image: nib.Nifti1Image, voxels: Callable[[], np.ndarray]) -> None:
        writers[role] = lambda path: save_image(voxels(), image, path)

    def add_space(space: str, registration: Registration | None, present: np.ndarray) -> None:
        image = scans[space].image
        maps = partial(map_on, affine=pair.affine, reference=image, registration=registration)
        ids = partial(ids_on, affine=pair.affine, reference=image, registration=registration)
        here = np.where(present, tracked.labels, 0)
        add(f"{space}_probability", image, lambda: maps(change.appeared).clip(0, 1))
        add(f"{space}_brain", image, lambda: (maps(pair.brain) >= 0.5).astype(np.uint8))
        add(f"{space}_lesions", image, lambda: smallest_type(ids(here)))
        add(f"{space}_mask", image, lambda: (ids(came) > 0).astype(np.uint8))
        add(f"{space}_states", image, lambda: code[ids(tracked.labels)])

    add_space("baseline", None, tracked.before)
    add_space("followup", change.registration, tracked.after)
    add("subtraction", baseline, lambda: map_on(pair.difference, pair.affine, baseline, None))
    if regions is not None:
        add("regions", regions.labels, lambda: np.asarray(regions.labels.dataobj))
    writers["table"] = partial(write_followed, rows)
    writers["transform"] = lambda path: sitk.WriteTransform(change.registration.forward, str(path))
    return {role: write for role, write in writers.items() if role in names}


def _as_json(check: ComparabilityCheck) -> dict[str, Any]:
    value = None if np.isnan(check.value) else round(check.value, 4)
    return {"name": check.name, "light": check.light, "value": value, "sentence": check.sentence}
