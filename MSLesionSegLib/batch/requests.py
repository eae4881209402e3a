"""What a batch asks about each examination: find lesions on its scans, or compare it with the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from MSLesionSegLib.batch.examinations import Examination
from MSLesionSegLib.dicom.export import ExportRequest, export_result, segment_to_dicom
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.imaging.dicom import series_files, series_sha256
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.models.store import read_card
from MSLesionSegLib.segmentation.longitudinal.earlier_ids import counts_withheld, ids_digest
from MSLesionSegLib.segmentation.request import SegmentRequest, find_models, settings_of
from MSLesionSegLib.segmentation.result_folder import DICOM_FOLDER, read_manifest
from MSLesionSegLib.segmentation.segment import segment

_ANY_DEVICE = "cpu"


def with_models(settings: SegmentRequest) -> SegmentRequest:
    """The same with models named by their folders, whichever are put in use meanwhile.

    Raises:
        ModelError: there is no such model.
    """
    models: dict[str, Any] = {role: str(path.absolute()) for role, path in find_models(settings).items()}
    return replace(settings, **models)


def request_of(
    settings: SegmentRequest, exam: Examination, output: Path, previous: Path | None
) -> SegmentRequest:
    """The request for one examination.

    Args:
        settings: of all examinations, with models.
        output: folder of the derivatives.
        previous: result folder of the comparison before, whose lesions keep their ids.
    """
    scans = {name: path.absolute() for name, path in exam.inputs.items()}
    changes: dict[str, Any] = {"stem": exam.stem, "remarks": exam.remarks, "previous": previous}
    return replace(settings, inputs=scans, output=output / exam.folder, **changes)


def carry_out(request: SegmentRequest, progress: Progress, dicom: bool) -> None:
    """Write the result, whole or not at all; what goes wrong is raised.

    ``dicom``: as DICOM too, within its folder; a result that is there already is only written so.
    """
    if dicom and not request.overwrite and read_manifest(request.output) is not None:
        export_result(ExportRequest(request.output, sources=request.inputs), progress)
    else:
        find = segment_to_dicom if dicom else segment
        find(replace(request, previous=_there(request.previous)), progress)


def lacks_dicom(result: Path) -> bool:
    """Whether a result was not written as DICOM, and could be."""
    return not (result / DICOM_FOLDER).is_dir() and not counts_withheld(result)


def difference(manifest: Mapping[str, Any], request: SegmentRequest) -> str:
    """What sets an earlier result apart from what ``request`` would make, or an empty text.

    The device does not count, nor does the program's version.
    """
    if manifest.get("task") != request.task:
        return "another task"
    if manifest.get("previous", "") != ids_digest(_there(request.previous)):
        return "other ids from the comparison before it"
    cards = {role: read_card(path) for role, path in find_models(request).items()}
    for role, wanted in cards.items():
        if manifest[role]["weights_sha256"] != wanted.weights_sha256:
            return f"the model {manifest[role]['name']}"
    for name, value in settings_of(request, cards, _ANY_DEVICE).items():
        if name != "device" and manifest["settings"].get(name) != value:
            return f"{name} {manifest['settings'].get(name)} instead of {value}"
    before = {name: facts["sha256"] for name, facts in manifest["inputs"].items()}
    if before != {name: _sha256(path) for name, path in request.inputs.items()}:
        return "other scans"
    return ""


def _sha256(path: Path) -> str:
    return series_sha256(series_files(path)) if path.is_dir() else file_sha256(path)


def _there(previous: Path | None) -> Path | None:
    """The comparison before, if it has come to a result."""
    return None if previous is None or read_manifest(previous) is None else previous
