"""Whole studies from an archive, and many files into one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from MSLesionSegLib.errors import PacsError, SettingsError
from MSLesionSegLib.files.atomic import atomic_folder, output_errors
from MSLesionSegLib.files.file_names import check_new
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.pacs.archive import Archive
from MSLesionSegLib.pacs.files import dicom_files, is_uid


def fetch_study(
    archive: Archive, study: str, folder: Path, progress: Progress, *, only: Collection[str] = ()
) -> int:
    """Bring a study, each series into a folder of its own, named by its SeriesInstanceUID; how many files came.

    Args:
        folder: to be made; complete or not there.
        only: SeriesInstanceUIDs; all series when empty.

    Raises:
        PacsError: the archive has no such study or series, or did not give all of it.
        OutputError: the folder is there already, or cannot be written.
    """
    check_new(folder)
    progress.stage("fetch")
    found = [one for one in archive.series(study) if is_uid(one.series) and (not only or one.series in only)]
    missing = set(only) - {one.series for one in found}
    if not found or missing:
        raise PacsError(
            "The archive has no such study." if not only else "The archive has no such series of it."
        )
    count = 0
    with output_errors(folder), atomic_folder(folder) as work:
        for number, series in enumerate(found):
            progress.stage("fetch", number / len(found))
            place = work / series.series
            place.mkdir()
            count += archive.fetch(series, place)
    return count


def send_files(archive: Archive, paths: Iterable[Path], progress: Progress) -> int:
    """Send the DICOM files among some files and below some folders; how many the archive has taken.

    Raises:
        SettingsError: there are none; PacsError: the archive refused one. Those before it stay there.
    """
    files = list(dict.fromkeys(dicom_files(paths)))
    if not files:
        raise SettingsError("There are no DICOM files to send.")
    progress.stage("send")
    sent = 0

    def stored(file: Path) -> None:
        nonlocal sent
        sent += 1
        progress.stage("send", sent / len(files))

    archive.store(files, stored)
    return sent
