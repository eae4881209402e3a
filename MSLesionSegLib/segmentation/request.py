"""What to look for, on which scans and how: a request, its checks, and the models and settings that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MSLesionSegLib.errors import MSLesionSegError, SettingsError
from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.network.device import check_device
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.model_in_use import model_in_use
from MSLesionSegLib.network.models.store import find_model, read_card
from MSLesionSegLib.segmentation import stages
from MSLesionSegLib.tasks import Task, get_task

if TYPE_CHECKING:
    from MSLesionSegLib.imaging.checks.scan_checks import InputWarning

CONNECTIVITY = 26
DEFAULT_REGISTRATION = "rigid"


@dataclass(frozen=True)
class SegmentRequest:
    """What to segment and how. ``None`` leaves a setting to the model's card.

    Attributes:
        task: a row of the task table, e.g. ``flair``.
        inputs: scan file (or folder with one DICOM series) by input name, e.g. ``{"flair": Path(...)}``.
        output: folder to make.
        model: name of a stored model, or a model folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        threshold: probability from which a voxel is lesion (of two visits: change), above 0 and below 1.
        minimum_mm3: smaller lesions are dropped.
        minimum_peak: lesions that nowhere reach this probability are dropped.
        mirroring: average over mirrored inputs, of one session with an uncertainty map; four times as long in the
            networks. A comparison does so only if True.
        n4: correct the bias field first.
        overwrite: replace an earlier result of the same task in ``output``.
        viewer: let the page hold the scans, to be scrolled through.
        brain_mask: of one session: mask on the grid of the reference scan; found automatically when None.
        flair_model: of two visits: model that finds the lesions of each, as ``model``.
        registration: of two visits: how the follow-up is registered to the baseline.
        previous: of two visits: folder of an earlier comparison whose follow-up is now the baseline, its numbered
            lesions, or a DICOM Segmentation of that scan; lesions keep their ids.
        force: of two visits: give counts although the scans cannot be compared.
        stem: of one session: start of the names of the files that are made; that of the scan's name when None.
        remarks: what was noticed when the scans were chosen; told, and written into the result.
    """

    task: str
    inputs: Mapping[str, Path]
    output: Path
    model: str | None = None
    device: str = "auto"
    threshold: float | None = None
    minimum_mm3: float | None = None
    minimum_peak: float | None = None
    mirroring: bool | None = None
    n4: bool = False
    overwrite: bool = False
    viewer: bool = True
    brain_mask: Path | None = None
    flair_model: str | None = None
    registration: str = DEFAULT_REGISTRATION
    previous: Path | None = None
    force: bool = False
    stem: str | None = None
    remarks: Sequence[InputWarning] = ()


def check_request(request: SegmentRequest) -> Task:
    """The row of the task table that a request names.

    Raises:
        SettingsError: no such task, a required scan is missing, a setting is out of its range, or one that the task
            does not have is given.
    """
    from MSLesionSegLib.imaging.registration import REGISTRATION_METHODS

    task = get_task(request.task)
    for name in task.required:
        if name not in request.inputs:
            raise SettingsError(
                f"The task '{task.name}' needs a {task.scan(name).title}. Give it with --{name}."
            )
    if request.registration not in REGISTRATION_METHODS:
        raise SettingsError(
            f"There is no registration '{request.registration}'. Known ones: {', '.join(REGISTRATION_METHODS)}."
        )
    if task.compares and request.brain_mask:
        raise SettingsError(
            f"The task '{task.name}' finds the brain on each scan by itself, without a brain mask."
        )
    if not task.compares and (request.flair_model or request.previous or request.force):
        raise SettingsError(
            f"The task '{task.name}' compares no scans: it takes no settings of a comparison."
        )
    if request.threshold is not None and not 0.0 < request.threshold < 1.0:
        raise SettingsError(f"The threshold must lie between 0 and 1, not {request.threshold:g}.")
    if request.minimum_mm3 is not None and not 0.0 <= request.minimum_mm3 < float("inf"):
        raise SettingsError(f"The minimum lesion volume must be 0 mm3 or more, not {request.minimum_mm3:g}.")
    if request.minimum_peak is not None and not 0.0 <= request.minimum_peak <= 1.0:
        raise SettingsError(f"The lowest peak must lie between 0 and 1, not {request.minimum_peak:g}.")
    check_device(request.device)
    return task


def find_models(request: SegmentRequest) -> dict[str, Path]:
    """Folders of the models that a request names or that are in use, by what the request calls them.

    Raises:
        ModelError: there is no such model.
    """
    roles = get_task(request.task).models
    return {role: find_model(getattr(request, role) or model_in_use(task)) for role, task in roles.items()}


def lesion_rule(request: SegmentRequest, card: ModelCard) -> LesionRule:
    """What counts as a lesion (of two visits: as change), by the request or else by the model's card."""

    def given(name: str) -> float:
        value = getattr(request, name)
        return float(getattr(card, name) if value is None else value)

    return LesionRule(given("threshold"), given("minimum_mm3"), given("minimum_peak"), CONNECTIVITY)


def settings_of(request: SegmentRequest, cards: Mapping[str, ModelCard], device: str) -> dict[str, Any]:
    """Everything that decides the numbers, as the manifest names it.

    Args:
        cards: of the models of :func:`find_models`.
        device: that computes.
    """
    from MSLesionSegLib.segmentation.longitudinal.change_filter import ChangeLimits

    shared = asdict(lesion_rule(request, cards["model"])) | {"device": device, "n4": request.n4}
    if not get_task(request.task).compares:
        return shared | {
            "brain_mask": "given" if request.brain_mask else "found automatically",
            "flips": cards["model"].mirroring if request.mirroring is None else request.mirroring,
        }
    return shared | {
        "flair_threshold": cards["flair_model"].threshold,
        "flair_minimum_mm3": cards["flair_model"].minimum_mm3,
        "flair_minimum_peak": cards["flair_model"].minimum_peak,
        "limits": asdict(ChangeLimits()),
        "registration": request.registration,
        "flips": bool(request.mirroring),
        "force": request.force,
    }


def expected_stages(request: SegmentRequest) -> dict[str, float]:
    """The stages of a request in their order with expected seconds, for a truthful progress bar before it begins."""
    if get_task(request.task).compares:
        return stages.pair_stages(n4=request.n4, mirroring=bool(request.mirroring))
    mirroring = request.mirroring
    if mirroring is None:
        try:
            mirroring = read_card(find_models(request)["model"]).mirroring
        except MSLesionSegError:
            mirroring = False  # the run itself will say what is wrong with the model
    return stages.segmentation_stages(
        brain_given=request.brain_mask is not None,
        n4=request.n4,
        mirroring=mirroring,
        scans=len(request.inputs),
    )
