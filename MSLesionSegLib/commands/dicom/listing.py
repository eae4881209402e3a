"""``mslesionseg dicom list``: the series of studies, and what each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from MSLesionSegLib.commands.options import Events, JobOptions
from MSLesionSegLib.commands.running import new_table, print_table, run
from MSLesionSegLib.errors import ImageError, MSLesionSegError
from MSLesionSegLib.jobs.job import Job

if TYPE_CHECKING:
    from MSLesionSegLib.imaging.dicom.choice import Chosen
    from MSLesionSegLib.imaging.dicom.study import SeriesInfo


@dataclass(frozen=True)
class _Listing:
    """Series in their order, and what would be taken of each study, by role: a series, or why none."""

    series: tuple[SeriesInfo, ...]
    proposed: tuple[dict[str, Chosen | str], ...]


def dicom_list(
    path: Annotated[
        Path, typer.Argument(help="Folder with a study or with many patients, a DICOMDIR or a zip file.")
    ],
    events: Events = False,
) -> None:
    """The series of DICOM studies, and what each is. Shows descriptions and dates, which are the patient's data."""

    def work(job: Job) -> _Listing:
        from MSLesionSegLib.imaging.dicom.media import is_media, opened_media
        from MSLesionSegLib.imaging.dicom.study import list_series, studies_of

        if not path.exists():
            raise ImageError(f"{path.name} was not found. Check the name and the folder.")
        if not is_media(path):
            raise ImageError(f"{path.name} holds no DICOM studies. Give a folder, a DICOMDIR or a zip file.")
        with opened_media(path) as folder:
            series = list_series(folder)
        if not series:
            raise ImageError(
                f"{path.name} holds no DICOM images. Give a folder, a DICOMDIR or a zip file with some."
            )
        return _Listing(series, tuple(map(_proposed, studies_of(series))))

    run("dicom list", work, {"read headers": 1.0}, _describe, JobOptions(events=events), show=_print)


def _proposed(study: Sequence[SeriesInfo]) -> dict[str, Chosen | str]:
    from MSLesionSegLib.imaging.dicom.choice import choose
    from MSLesionSegLib.tasks import TASKS

    roles = dict.fromkeys(scan.suffix for task in TASKS.values() for scan in task.inputs)
    taken: dict[str, Chosen | str] = {}
    for role in roles:
        if any(series.role == role for series in study):
            try:
                taken[role] = choose("the study", study, role)
            except MSLesionSegError as error:
                taken[role] = str(error)
    return taken


def _describe(found: _Listing) -> dict[str, Any]:
    fields = [asdict(series) for series in found.series]
    return {
        "series": [
            {**one, **{name: [str(file.absolute()) for file in one[name]] for name in ("files", "copies")}}
            for one in fields
        ],
        "proposed": [
            {role: one.series.series_uid for role, one in study.items() if not isinstance(one, str)}
            for study in found.proposed
        ],
    }


def _print(found: _Listing) -> None:
    from MSLesionSegLib.imaging.dicom.choice import called
    from MSLesionSegLib.imaging.dicom.role import TITLES
    from MSLesionSegLib.imaging.dicom.study import studies_of

    patients = list(dict.fromkeys(series.patient for series in found.series))
    table = new_table("Patient", "Study", "Date", "No.", "What it is", "Images", "mm", "Description", "Why")
    for number, study in enumerate(studies_of(found.series), start=1):
        for series in study:
            table.add_row(
                str(1 + patients.index(series.patient)),
                str(number),
                series.date,
                "" if series.number is None else str(series.number),
                TITLES[series.role],
                str(series.images),
                " x ".join(f"{edge:.2g}" for edge in series.voxel_mm or ()),
                series.description,
                series.reason,
            )
    print_table(table)
    for number, taken in enumerate(found.proposed, start=1):
        for role, one in taken.items():
            told = one if isinstance(one, str) else f"{called(one.series)}, {one.reason}"
            typer.echo(f"Study {number}: {TITLES[role]}: {told}")
