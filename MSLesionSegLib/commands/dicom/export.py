"""``mslesionseg dicom export``: a result as DICOM, for the study that it was made on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from MSLesionSegLib.commands.options import Events, JobOptions, StopFile
from MSLesionSegLib.commands.running import or_exit, run
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.job import Job

if TYPE_CHECKING:
    from MSLesionSegLib.dicom.export import Exported


def dicom_export(
    result: Annotated[Path, typer.Argument(help="Folder of a result.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to make (default: dicom in the result).")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Where the DICOM series of a scan is, such as flair=FOLDER, if it was moved or the result was made "
            "on a file that was converted from it; can be repeated."
        ),
    ] = None,
    reviewed: Annotated[
        Path | None,
        typer.Option(help="Numbered lesions as a person has reviewed them, on the voxels of the scan."),
    ] = None,
    former: Annotated[
        Path | None,
        typer.Option(
            help="DICOM Segmentation of an earlier export, of this scan or of the baseline, or a folder of several: "
            "lesions on its segments keep their tracking UIDs."
        ),
    ] = None,
    probability: Annotated[
        bool, typer.Option("--probability", help="Write the probability as a fractional segmentation too.")
    ] = False,
    key_images: Annotated[
        bool,
        typer.Option(
            "--key-images", help="Write the slices of the page as secondary captures too, with the outlines."
        ),
    ] = False,
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Write a result as DICOM: segmentation, structured report, page as PDF, registration."""
    from MSLesionSegLib.dicom.export import EXPORT_SECONDS, EXPORT_STAGE, ExportRequest

    sources = or_exit(lambda: dict(map(_named, source or ())))
    request = ExportRequest(result, output, sources, reviewed, former, probability, key_images)

    def work(job: Job) -> Exported:
        from MSLesionSegLib.dicom.export import export_result

        return export_result(request, job)

    run(
        "dicom export",
        work,
        {EXPORT_STAGE: EXPORT_SECONDS},
        describe_export,
        JobOptions(events=events, stop_file=stop_file),
        show=_print,
    )


def _named(source: str) -> tuple[str, Path]:
    name, given, folder = source.partition("=")
    if not given or not folder:
        raise SettingsError(
            f"--source {source} names no input. Give it as NAME=FOLDER, such as flair=FOLDER."
        )
    return name, Path(folder)


def describe_export(exported: Exported) -> dict[str, Any]:
    """Content of the result event."""
    return {
        "folder": str(exported.folder),
        "files": {role: str(path) for role, path in exported.files.items()},
        "lesions": exported.lesions,
    }


def _print(exported: Exported) -> None:
    for role, path in exported.files.items():
        typer.echo(f"{role.replace('_', ' ').capitalize() + ':':<20}{path}")
    typer.echo("For research use only. The files name the patient.")
