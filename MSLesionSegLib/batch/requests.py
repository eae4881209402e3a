"""What a batch asks about each examination: find lesions on its scans, or compare it with the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from MSLesionSegLib.batch.examinations import Examination
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.models.model_in_use import model_in_use
from MSLesionSegLib.network.models.store import find_model, read_card
from MSLesionSegLib.segmentation.pair.earlier_ids import ids_digest
from MSLesionSegLib.segmentation.pair.new_lesions import PairRequest, check_pair, pair_settings, segment_pair
from MSLesionSegLib.segmentation.result_folder import read_manifest
from MSLesionSegLib.segmentation.segment import SegmentRequest, checked_task, request_settings, segment

Request = SegmentRequest | PairRequest
_ANY_DEVICE = "cpu"


def with_models(settings: Request) -> Request:
    """The same with models named by their folders, whichever are put in use meanwhile.

    Raises:
        ModelError: there is no such model.
    """

    def path(name: str | None, task: str) -> str:
        return str(find_model(name or model_in_use(task)).absolute())

    if isinstance(settings, PairRequest):
        flair_model = path(settings.flair_model, "flair")
        return replace(settings, model=path(settings.model, settings.task), flair_model=flair_model)
    return replace(settings, model=path(settings.model, settings.task))


def request_of(settings: Request, exam: Examination, output: Path, previous: Path | None) -> Request:
    """The request for one examination.

    Args:
        settings: of all examinations, with models.
        output: folder of the derivatives.
        previous: result folder of the comparison before, whose lesions keep their ids.
    """
    scans = {name: path.absolute() for name, path in exam.inputs.items()}
    if isinstance(settings, PairRequest):
        return replace(settings, **scans, output=output / exam.folder, previous=previous)
    return replace(settings, inputs=scans, output=output / exam.folder)


def check(request: Request) -> None:
    """Refuse settings that make no sense.

    Raises:
        SettingsError: with what is allowed.
    """
    if isinstance(request, PairRequest):
        check_pair(request)
    else:
        checked_task(request)


def carry_out(request: Request, progress: Progress) -> None:
    """Write the result, whole or not at all; what goes wrong is raised."""
    if isinstance(request, SegmentRequest):
        segment(request, progress)
        return
    if request.previous is not None and read_manifest(request.previous) is None:
        request = replace(request, previous=None)  # it failed
    segment_pair(request, progress)


def difference(manifest: Mapping[str, Any], request: Request) -> str:
    """What sets an earlier result apart from what ``request`` would make, or an empty text.

    The device does not count, nor does the program's version.
    """
    if manifest.get("task") != request.task:
        return "another task"
    card = read_card(Path(request.model or ""))
    cards = {"model": card}
    if isinstance(request, PairRequest):
        cards["flair_model"] = read_card(Path(request.flair_model or ""))
        scans = {"baseline": request.baseline, "followup": request.followup}
        settings = pair_settings(replace(request, device=_ANY_DEVICE), card, cards["flair_model"])
        there = request.previous is not None and read_manifest(request.previous) is not None
        if manifest["previous"] != ids_digest(request.previous if there else None):
            return "other ids from the comparison before it"
    else:
        scans = dict(request.inputs)
        settings = request_settings(request, card, _ANY_DEVICE)
    for role, wanted in cards.items():
        if manifest[role]["weights_sha256"] != wanted.weights_sha256:
            return f"the model {manifest[role]['name']}"
    for name, value in settings.items():
        if name != "device" and manifest["settings"].get(name) != value:
            return f"{name} {manifest['settings'].get(name)} instead of {value}"
    before = {name: facts["sha256"] for name, facts in manifest["inputs"].items()}
    if before != {name: file_sha256(path) for name, path in scans.items()}:
        return "other scans"
    return ""
