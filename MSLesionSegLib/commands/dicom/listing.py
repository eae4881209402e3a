"""``mslesionseg dicom list``: the series of studies, and what each is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from MSLesionSegLib.commands.options import Events, JobOptions
from MSLesionSegLib.commands.running import new_table, print_table, run
from MSLesionSegLib.jobs.job import Job

if TYPE_CHECKING:
    from MSLesionSegLib.imaging.dicom.study import SeriesInfo


def dicom_list(
    path: Annotated[Path, typer.Argument(help="Folder with a study, or with many patients.")],
    events: Events = False,
) -> None:
    """The series of DICOM studies, and what each is. Shows descriptions and dates, which are the patient's data."""

    def work(job: Job) -> tuple[SeriesInfo, ...]:
        from MSLesionSegLib.imaging.dicom.study import list_series

        return list_series(path)

    run("dicom list", work, {"read headers": 1.0}, _describe, JobOptions(events=events), show=_print)


def _describe(found: tuple[SeriesInfo, ...]) -> dict[str, Any]:
    fields = [asdict(series) for series in found]
    return {
        "series": [{**field, "files": [str(file.absolute()) for file in field["files"]]} for field in fields]
    }


def _print(found: tuple[SeriesInfo, ...]) -> None:
    from MSLesionSegLib.imaging.dicom.role import TITLES

    patients = list(dict.fromkeys(series.patient for series in found))
    studies = list(dict.fromkeys((series.patient, series.study_uid) for series in found))
    table = new_table("Patient", "Study", "Date", "No.", "What it is", "Images", "mm", "Description", "Why")
    for series in found:
        table.add_row(
            str(1 + patients.index(series.patient)),
            str(1 + studies.index((series.patient, series.study_uid))),
            series.date,
            "" if series.number is None else str(series.number),
            TITLES[series.role],
            str(series.images),
            " x ".join(f"{edge:.2g}" for edge in series.voxel_mm or ()),
            series.description,
            series.reason,
        )
    print_table(table)
