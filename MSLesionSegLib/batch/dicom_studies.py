"""The examinations of an export of DICOM studies, under numbers in place of names."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from MSLesionSegLib.batch.examinations import ONE_ONLY, Examination, no_participant
from MSLesionSegLib.errors import MSLesionSegError, SettingsError
from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.files.foreign_tables import ForeignTableError, read_table
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.dicom.choice import choose
from MSLesionSegLib.imaging.dicom.inputs import place_series, series_by_input
from MSLesionSegLib.imaging.dicom.media import is_media, opened_media
from MSLesionSegLib.imaging.dicom.study import SeriesInfo, all_files, list_series, studies_of
from MSLesionSegLib.tasks import InputScan, Task

STUDIES = "dicom_studies.tsv"
_COLUMNS = ("participant_id", "session_id", "patient", "study_date", "study_instance_uid")
_NO_DAYS = (
    "Two studies with the scan have one date or none. Which came first is not known, and nothing is compared."
)


@dataclass(frozen=True)
class DicomStudies:
    """The examinations of an export, and the text of the table that tells whose they are."""

    examinations: list[Examination]
    table: str

    def write_table(self, folder: Path) -> None:
        """Write the table that says whose the examinations are, for the eyes of its owner only."""
        write_text(folder / STUDIES, self.table)
        (folder / STUDIES).chmod(0o600)


@contextlib.contextmanager
def dicom_studies(
    export: Path, task: Task, output: Path, *, participants: Sequence[str] = (), series: Sequence[str] = ()
) -> Iterator[DicomStudies | None]:
    """The examinations of an export of DICOM studies; None where there are no DICOM images.

    Patients and studies are numbered; those that ``output`` knows from an earlier batch keep their numbers.

    Args:
        export: folder with studies of any number of patients, DICOMDIR or zip file.
        task: a row of the task table. One that compares two visits takes studies that follow each other in time.
        output: folder of the derivatives.
        participants: only these, with or without ``sub-``; all when empty.
        series: of each study, as for :func:`~MSLesionSegLib.imaging.dicom.inputs.found_scans`.

    Yields:
        Examinations whose scans are there within the ``with`` block.

    Raises:
        SettingsError: a participant is not there, or the table of an earlier batch cannot be read.
        ImageError: a zip file or a disc that cannot be used.
    """
    if not is_media(export):
        yield None
        return
    wanted = series_by_input(task, task.names, series)
    with (
        opened_media(export) as folder,
        tempfile.TemporaryDirectory(prefix=".dicom-", dir=_place(output)) as links,
    ):
        found = list_series(folder)
        if not found:
            yield None
            return
        names = _Names(output)
        known = all_files(found)
        single = [_examination(study, task, wanted, names, known, Path(links)) for study in studies_of(found)]
        if task.compares:
            patients: dict[str, list[_Study]] = {}
            for study in single:
                patients.setdefault(study.exam.participant, []).append(study)
            exams = [exam for studies in patients.values() for exam in _comparisons(studies, task)]
        else:
            exams = [study.exam for study in single]
        yield DicomStudies(_only(exams, participants, export), names.table())


@dataclass(frozen=True)
class _Study:
    """An examination by itself, and its day."""

    exam: Examination
    date: str


class _Names:
    """Numbers of patients and studies, in the order in which they were first seen."""

    def __init__(self, output: Path) -> None:
        self.rows: dict[tuple[str, str], tuple[str, str, str]] = {}
        file = output / STUDIES
        if not file.is_file():
            return
        try:
            for row in read_table(file, _COLUMNS):
                participant, session, patient, date, uid = (row.cells[column] for column in _COLUMNS)
                self.rows[patient, uid] = participant, session, date
        except ForeignTableError as error:
            raise SettingsError(
                f"{file} cannot be read ({error}). Restore it, or give another output."
            ) from error

    def of(self, study: Sequence[SeriesInfo]) -> tuple[str, str]:
        """Participant and session of a study."""
        first = study[0]
        patient = " ".join((first.patient or first.study_uid).split())
        key = patient, first.study_uid
        if key not in self.rows:
            own = [row for (whose, _), row in self.rows.items() if whose == patient]
            participants = {row[0] for row in self.rows.values()}
            participant = own[0][0] if own else f"sub-{len(participants) + 1:03d}"
            self.rows[key] = participant, f"ses-{len(own) + 1:02d}", first.date
        return self.rows[key][:2]

    def table(self) -> str:
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(_COLUMNS)
        for (patient, uid), (participant, session, date) in self.rows.items():
            writer.writerow((participant, session, patient, date, uid))
        return stream.getvalue()


def _examination(
    study: Sequence[SeriesInfo],
    task: Task,
    wanted: Mapping[str, str],
    names: _Names,
    known: frozenset[Path],
    links: Path,
) -> _Study:
    """The scans of one study; of a task that compares, those of the visit after."""
    participant, session = names.of(study)
    inputs: dict[str, Path] = {}
    problems, remarks, dates = [], [], [study[0].date]
    for entry in _asked(task):
        if not entry.required and not any(one.role == entry.suffix for one in study):
            continue
        try:
            chosen = choose("the study", study, entry.suffix, wanted.get(entry.name))
            inputs[entry.name] = place_series(
                chosen.series, known, links / participant / session / entry.name
            )
        except MSLesionSegError as error:
            problems.append(str(error)[:1].upper() + str(error)[1:])
            continue
        number = "without number" if chosen.series.number is None else f"number {chosen.series.number}"
        remarks.append(InputWarning("series", f"The {entry.title} is the series {number}: {chosen.reason}."))
        dates.append(chosen.series.date)
    exam = Examination(
        participant,
        session,
        inputs,
        " ".join(problems),
        stem=f"{participant}_{session}",
        remarks=tuple(remarks),
    )
    return _Study(exam, dates[-1])


def _asked(task: Task) -> list[InputScan]:
    return [entry for entry in task.inputs if entry.visit or not task.compares]


def _comparisons(studies: Sequence[_Study], task: Task) -> list[Examination]:
    """Each study of a patient beside the one before it that has the scan."""
    before, after = task.inputs
    incomplete = [study.exam for study in studies if study.exam.problem]
    ordered = sorted((study for study in studies if not study.exam.problem), key=lambda study: study.date)
    days = [study.date for study in ordered]
    if len(ordered) == 1:
        return [*incomplete, replace(ordered[0].exam, inputs={}, problem=ONE_ONLY)]
    if ordered and (len(set(days)) < len(days) or "" in days):
        return [*incomplete, *(replace(study.exam, inputs={}, problem=_NO_DAYS) for study in ordered)]
    return [
        *incomplete,
        *(
            replace(
                second.exam,
                inputs={before.name: first.exam.inputs[after.name], **second.exam.inputs},
                baseline=first.exam.session,
                stem=None,
            )
            for first, second in pairwise(ordered)
        ),
    ]


def _only(exams: list[Examination], participants: Sequence[str], export: Path) -> list[Examination]:
    wanted = {f"sub-{label.removeprefix('sub-')}" for label in participants}
    for participant in sorted(wanted - {exam.participant for exam in exams}):
        raise no_participant(export, participant)
    return [exam for exam in exams if not wanted or exam.participant in wanted]


def _place(output: Path) -> Path:
    """The folder nearest to the output that is there: workers on other computers see it as well."""
    return next(parent for parent in output.absolute().parents if os.path.isdir(parent))
