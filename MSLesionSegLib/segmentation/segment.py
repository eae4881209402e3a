"""Every task from end to end: scans in; masks, probabilities, lesions, table, page and manifest out."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.imaging.checks.comparability import ComparabilityCheck, overall
from MSLesionSegLib.imaging.reading import InputWarning, read_scan
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.device import choose_device
from MSLesionSegLib.network.models.model_in_use import warn_if_damaged
from MSLesionSegLib.segmentation import result_folder, stages
from MSLesionSegLib.segmentation.dicom_source import SOURCE, source_of
from MSLesionSegLib.segmentation.longitudinal.new_lesions import find_between_visits
from MSLesionSegLib.segmentation.manifest import make_manifest
from MSLesionSegLib.segmentation.one_session import find_on_session
from MSLesionSegLib.segmentation.request import SegmentRequest, check_request, find_models, settings_of
from MSLesionSegLib.segmentation.run import FoundLesions, Run


@dataclass(frozen=True)
class SegmentationResult:
    """What came out.

    Attributes:
        folder: the result folder.
        files: paths by role, such as ``mask``, ``table``, ``report`` and ``manifest``.
        lesions: rows of the table: :class:`~MSLesionSegLib.lesions.table.Lesion`, largest first, or of two visits
            :class:`~MSLesionSegLib.lesions.followup_table.FollowedLesion`; empty when the counts are withheld.
        counts: as in the manifest, or None when they are withheld.
        settings: everything that decides the numbers.
        model: name of the model.
        findings: what was noticed about the inputs.
        timings: seconds by stage and ``total``.
        checks: comparability of two visits.
    """

    folder: Path
    files: dict[str, Path]
    lesions: tuple[Any, ...]
    counts: dict[str, Any] | None
    settings: dict[str, Any]
    model: str
    findings: tuple[InputWarning, ...]
    timings: dict[str, float]
    checks: tuple[ComparabilityCheck, ...] = ()

    @property
    def dicom(self) -> Path | None:
        """The folder in which it was written as DICOM."""
        folder = self.folder / result_folder.DICOM_FOLDER
        return folder if folder.is_dir() else None

    @property
    def light(self) -> str:
        """The worst light of ``checks``."""
        return overall(self.checks)


def segment(
    request: SegmentRequest, progress: Progress, finish: Callable[[Path], object] | None = None
) -> SegmentationResult:
    """Run a task on one patient and write the result folder, whole or not at all.

    ``finish`` is called with the complete folder before it takes its name, unless the counts are withheld.

    Raises:
        MSLesionSegError: an input, model, setting or output cannot be used; the sentence says what to do.
        Cancelled: the person stopped it; nothing was written.
    """
    from MSLesionSegLib.network.models.store import load_model

    task, folders = check_request(request), find_models(request)
    sources = [*request.inputs.values(), *folders.values(), request.brain_mask, request.previous]
    result_folder.check_output(
        request.output, task.name, overwrite=request.overwrite, inputs=[*filter(None, sources)]
    )
    watch = stages.StageWatch(progress)

    watch.stage(stages.READ)
    scans = {
        entry.name: read_scan(request.inputs[entry.name], sequence=entry.sequence)
        for entry in task.inputs
        if entry.name in request.inputs
    }
    watch.tell((*request.remarks, *(finding for scan in scans.values() for finding in scan.findings)))

    watch.stage(stages.MODEL)
    device = choose_device(request.device)
    if not all(getattr(request, role) for role in folders):
        warn_if_damaged(watch)
    models = {role: load_model(folder, task=task.models[role]) for role, folder in folders.items()}
    settings = settings_of(request, {role: model.card for role, model in models.items()}, device)
    run = Run(request, task, scans, models, settings, watch)
    found = find_between_visits(run) if task.compares else find_on_session(run)

    watch.stage(stages.WRITE)
    return _write(run, found, finish)


def _write(run: Run, found: FoundLesions, finish: Callable[[Path], object] | None) -> SegmentationResult:
    request, task, watch = run.request, run.task, run.watch
    source = source_of(run.scans, task, request.previous)
    names = dict(found.names) | ({"dicom_source": SOURCE} if source else {})
    manifest = make_manifest(
        task=task.name,
        scans=run.scans,
        models={role: model.card for role, model in run.models.items()},
        settings=run.settings,
        counts=found.counts or {},
        remarks=(*request.remarks, *found.remarks),
        files=names,
    ) | dict(found.facts)
    with result_folder.staged(request.output, task.name, overwrite=request.overwrite) as folder:
        with ThreadPoolExecutor(1) as beside:  # pictures are drawn meanwhile
            page = beside.submit(found.write_page, folder / found.names["report"], manifest)
            for number, (role, write) in enumerate(found.writers.items()):
                watch.stage(stages.WRITE, 0.6 * number / len(found.writers))
                write(folder / found.names[role])
            watch.stage(stages.WRITE, 0.6)
            page.result()
        watch.stage(stages.WRITE, 0.95)
        if source:
            write_text(folder / SOURCE, json.dumps(source, indent=2) + "\n")
        manifest["timings_s"] = watch.total()
        result_folder.write_manifest(manifest, folder)
        if finish is not None and found.counts is not None:
            finish(folder)
    return SegmentationResult(
        folder=request.output,
        files={role: request.output / name for role, name in names.items()},
        lesions=tuple(found.lesions),
        counts=found.counts,
        settings=dict(run.settings),
        model=run.models["model"].card.name,
        findings=(
            *request.remarks,
            *(finding for scan in run.scans.values() for finding in scan.findings),
            *found.remarks,
        ),
        timings=manifest["timings_s"],
        checks=found.checks,
    )
