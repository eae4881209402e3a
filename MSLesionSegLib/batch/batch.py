"""A task over all examinations of a dataset: BIDS derivatives and one table out, whatever single ones do."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from MSLesionSegLib import __version__
from MSLesionSegLib.batch.dicom_studies import STUDIES, DicomStudies, dicom_studies
from MSLesionSegLib.batch.examinations import Examination, find_examinations
from MSLesionSegLib.batch.one_examination import STOP
from MSLesionSegLib.batch.requests import difference, lacks_dicom, request_of, with_models
from MSLesionSegLib.batch.tables import (
    DONE,
    EXAMINATIONS,
    FAILED,
    MISSING,
    OPEN,
    ExaminationRow,
    write_tables,
)
from MSLesionSegLib.batch.workers import run_here, run_on_cluster
from MSLesionSegLib.dicom.export import check_exportable
from MSLesionSegLib.errors import BatchError, OutputError, SettingsError
from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.files.file_names import check_name_length
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.jobs.cluster import LOCAL, check_executor
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.segmentation.request import SegmentRequest, check_request
from MSLesionSegLib.segmentation.result_folder import DICOM_FOLDER, read_manifest
from MSLesionSegLib.tasks import get_task

STAGE = "examinations"
DESCRIPTION = "dataset_description.json"
PROGRAM = "MSLesionSeg"
_NOT_BIDS = (
    *("**/report.html", "**/result.json", "**/lesions.csv", "lesions.tsv", "examinations.*"),
    *("**/possible.csv", "**/dicom_source.json", f"**/{DICOM_FOLDER}/**", STUDIES),
    *("**/anat/space-*", "**/anat/from-*"),  # of comparisons, whose files tell no participant
)


@dataclass(frozen=True)
class BatchRequest:
    """What to do on which examinations.

    Attributes:
        dataset: BIDS dataset, or an export of DICOM studies.
        output: folder of the derivatives; made where it is not there.
        settings: of each examination; its scans and its output are filled in.
        participants, entities: see :func:`~MSLesionSegLib.batch.examinations.find_examinations`.
        series: of DICOM studies, see :func:`~MSLesionSegLib.batch.dicom_studies.dicom_studies`.
        skip_finished: leave examinations alone that have a result of the same scans, model and settings.
        dicom: write each result as DICOM too, within its folder.
        executor: ``local`` or ``dask://HOST:PORT``.
        workers: processes on this computer.
        threads: of each worker; the computer's cores are shared out when None.
    """

    dataset: Path
    output: Path
    settings: SegmentRequest
    participants: Sequence[str] = ()
    entities: Sequence[str] = ()
    series: Sequence[str] = ()
    skip_finished: bool = False
    dicom: bool = False
    executor: str = LOCAL
    workers: int = 1
    threads: int | None = None


@dataclass(frozen=True)
class BatchResult:
    """Where each examination stands, in the order of the table, and the folder of the derivatives."""

    folder: Path
    rows: tuple[ExaminationRow, ...]


def run_batch(request: BatchRequest, progress: Progress) -> BatchResult:
    """Do a task on every examination. Each result is written whole or not at all, the tables at the end.

    Raises:
        SettingsError, OutputError, ModelError: nothing can be done at all; nothing was written.
        BatchError: some examinations failed; all others are done and the tables are written.
        Cancelled: results that were finished stay, and the tables show them.
    """
    check_executor(request.executor)
    if request.workers < 1 or (request.threads or 1) < 1:
        raise SettingsError("A batch needs at least one worker, with at least one thread.")
    with _found(request) as (found, studies):
        return _run(request, found, studies, progress)


@contextlib.contextmanager
def _found(request: BatchRequest) -> Iterator[tuple[list[Examination], DicomStudies | None]]:
    """The examinations, and where they come from DICOM studies, these."""
    task = get_task(request.settings.task)
    if not os.path.exists(request.dataset) or any(request.dataset.glob("sub-*")):
        studies: contextlib.AbstractContextManager[DicomStudies | None] = contextlib.nullcontext()
    else:
        studies = dicom_studies(
            request.dataset, task, request.output, participants=request.participants, series=request.series
        )
    with studies as found:
        if found is not None:
            if request.entities:
                raise SettingsError("--entity is for BIDS datasets. Name DICOM series with --series.")
            yield found.examinations, found
        elif request.series:
            raise SettingsError(
                "--series is for DICOM studies. Choose files of a BIDS dataset with --entity."
            )
        else:
            if request.dicom:
                raise SettingsError(
                    "--dicom writes results into DICOM studies, which a BIDS dataset does not hold."
                )
            yield find_examinations(request.dataset, task.name, request.participants, request.entities), None


def _run(
    request: BatchRequest, found: Sequence[Examination], studies: DicomStudies | None, progress: Progress
) -> BatchResult:
    requests = _requests(request, found)
    _check_output(request, requests)
    rows = {
        exam.name: ExaminationRow(exam, MISSING if exam.problem else OPEN, exam.problem) for exam in found
    }
    for row in rows.values():
        if row.problem:
            progress.warning("incomplete", f"{row.examination.name}: {row.problem}")
    if request.skip_finished:
        _skip_finished(request, requests, rows, progress)
    _write_description(request.output, request.settings.task)
    if studies is not None:
        studies.write_table(request.output)
    try:
        _work(request, requests, rows, progress)
    finally:
        write_tables(request.output, request.settings.task, list(rows.values()))
    failed = [name for name, row in rows.items() if row.status == FAILED]
    if failed:
        raise BatchError(
            f"{len(failed)} of {len(rows)} examinations failed ({', '.join(failed[:3])}"
            f"{' ...' if len(failed) > 3 else ''}); the others are done. {EXAMINATIONS} in {request.output} "
            "says why. --skip-finished does only these again."
        )
    return BatchResult(request.output, tuple(rows.values()))


def _requests(request: BatchRequest, found: Sequence[Examination]) -> dict[str, SegmentRequest]:
    """One request per complete examination, all with the same model."""
    settings, output = with_models(request.settings), request.output.absolute()
    complete = [exam for exam in found if not exam.problem]
    if not complete:
        raise SettingsError(f"No examination is complete. The first: {found[0].name}. {found[0].problem}")
    by_name = {exam.name: exam for exam in complete}
    requests = {}
    for exam in complete:
        earlier = by_name.get(exam.before)
        previous = None if earlier is None else output / earlier.folder
        requests[exam.name] = request_of(settings, exam, output, previous)
    first = next(iter(requests.values()))
    check_request(first)
    if request.dicom:
        check_exportable(first.task, first.inputs)
    return requests


def _check_output(request: BatchRequest, requests: Mapping[str, SegmentRequest]) -> None:
    folder, task = request.output, request.settings.task
    check_name_length(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file. Give the name of a folder.")
    if folder.is_dir() and any(folder.iterdir()):
        try:
            made_by = read_json(folder / DESCRIPTION)["GeneratedBy"][0]
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            made_by = None
        ours = {"Name": PROGRAM, "Description": _made_by(task)}
        if not isinstance(made_by, dict) or not ours.items() <= made_by.items():
            raise OutputError(
                f"{folder} holds something else than a batch of the task '{task}'. Give another folder."
            )
    earlier = [name for name, wanted in requests.items() if read_manifest(wanted.output) is not None]
    if earlier and not (request.skip_finished or request.settings.overwrite):
        raise OutputError(
            f"{len(earlier)} of {len(requests)} examinations have a result in {folder} already ({earlier[0]} for "
            "one). Give --skip-finished to leave them alone, or --overwrite to replace them."
        )


def _skip_finished(
    request: BatchRequest,
    requests: dict[str, SegmentRequest],
    rows: dict[str, ExaminationRow],
    progress: Progress,
) -> None:
    """Take examinations with a result out of ``requests``; one that was made otherwise is never taken for done.

    Those that only have to be written as DICOM stay.
    """
    to_write: set[str] = set()
    for name, wanted in list(requests.items()):
        manifest = read_manifest(wanted.output)
        if manifest is None:
            continue
        try:
            if rows[name].examination.before in requests.keys() - to_write:
                other = "a comparison before it that is made again"
            else:
                other = difference(manifest, wanted)
        except (OSError, KeyError, TypeError) as error:
            del requests[name]
            _fail(rows, name, f"It could not be compared with the result there ({error}).", progress)
            continue
        if other and request.settings.overwrite:
            continue
        if not other and request.dicom and lacks_dicom(wanted.output):
            to_write.add(name)
            continue
        del requests[name]
        if other:
            _fail(rows, name, f"The result there was made with {other}. --overwrite replaces it.", progress)
        else:
            rows[name] = replace(rows[name], status=DONE)


def _write_description(folder: Path, task: str) -> None:
    content = {
        "Name": get_task(task).title,
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": PROGRAM, "Version": __version__, "Description": _made_by(task)}],
    }
    write_text(folder / DESCRIPTION, json.dumps(content, indent=1) + "\n")
    write_text(folder / ".bidsignore", "".join(f"{name}\n" for name in _NOT_BIDS))


def _work(
    request: BatchRequest,
    requests: Mapping[str, SegmentRequest],
    rows: dict[str, ExaminationRow],
    progress: Progress,
) -> None:
    stop = request.output.absolute() / STOP
    stop.unlink(missing_ok=True)
    left = len(requests)

    def tick() -> None:
        progress.stage(STAGE, 1 - left / len(requests))

    after = {name: rows[name].examination.before for name in requests}
    threads = request.threads or max(1, (os.cpu_count() or 1) // request.workers)
    if request.executor == LOCAL:
        ends = run_here(
            requests, after, stop, workers=request.workers, threads=threads, tick=tick, dicom=request.dicom
        )
    else:
        executor = request.executor
        ends = run_on_cluster(
            requests, after, stop, executor=executor, threads=threads, tick=tick, dicom=request.dicom
        )
    with contextlib.closing(ends):
        for name, ended in ends:
            left -= 1
            if ended.problem:
                sentence = ended.problem.replace(f"{request.dataset.absolute()}{os.sep}", "")
                _fail(rows, name, sentence, progress)
            elif not ended.cancelled:
                rows[name] = replace(rows[name], status=DONE)
                tick()
    progress.stage(STAGE, 1.0)


def _fail(rows: dict[str, ExaminationRow], name: str, problem: str, progress: Progress) -> None:
    rows[name] = replace(rows[name], status=FAILED, problem=problem)
    progress.warning("failed", f"{name} failed: {problem}")


def _made_by(task: str) -> str:
    return f"mslesionseg batch --task {task}"
