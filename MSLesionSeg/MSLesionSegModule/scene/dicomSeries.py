"""The DICOM series that a volume was loaded from, and Slicer's DICOM database."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import OutputError

SERIES_FOLDER = "MSLesionSeg.SeriesFolder"  # attribute of volumes that this module loaded from a series
_INSTANCES = "DICOM.instanceUIDs"  # attribute of volumes that Slicer's DICOM module loaded


def seriesFiles(volumeNode) -> tuple[Path, ...]:
    """The files of the series that a volume shows; none where it came from elsewhere or they are not there."""
    if volumeNode is None:
        return ()
    folder = volumeNode.GetAttribute(SERIES_FOLDER)
    if folder:
        return tuple(sorted(path for path in Path(folder).glob("*") if path.is_file()))
    database, instances = openDatabase(), _instances(volumeNode)
    if database is None or not instances:
        return ()
    # Slicer's DICOM module gives volumes no storage node, and without one every volume counts as modified.
    if volumeNode.GetStorageNode() is not None and volumeNode.GetModifiedSinceRead():
        return ()
    files = {Path(database.fileForInstance(uid)) for uid in instances}  # a file may hold many frames
    return tuple(sorted(files)) if all(file.is_file() for file in files) else ()


def wasSeries(volumeNode) -> bool:
    """Whether Slicer's DICOM module loaded a volume, wherever its files are now."""
    return bool(_instances(volumeNode))


def segmentationsBeside(volumeNodes) -> tuple[Path, ...]:
    """The DICOM Segmentations that the database holds in the studies of volumes."""
    database, found = openDatabase(), {}
    for instances in map(_instances, volumeNodes) if database is not None else ():
        file = database.fileForInstance(instances[0]) if instances else ""
        for series in database.seriesForStudy(database.studyForSeries(database.seriesForFile(file))):
            if database.fieldForSeries("Modality", series) == "SEG":
                found[series] = [Path(name) for name in database.filesForSeries(series)]
    return tuple(file for files in found.values() for file in files)


def openDatabase():
    """Slicer's DICOM database, or None where there is none or it is not open."""
    database = getattr(slicer, "dicomDatabase", None)
    return database if database is not None and database.isOpen else None


def addToDatabase(folder: Path, database) -> None:
    """Copy the DICOM files of a folder into the database.

    Raises:
        OutputError: it has not taken all of them.
    """
    from DICOMLib import DICOMUtils

    DICOMUtils.importDicom(str(folder), database, True)
    if not liesInDatabase(folder, database):
        raise OutputError(_("Slicer's DICOM database did not take the files. Is its disk full?"))


def liesInDatabase(folder: Path, database) -> bool:
    """Whether the database holds all DICOM files of a folder."""
    import pydicom

    headers = [pydicom.dcmread(file, specific_tags=["SOPInstanceUID"]) for file in folder.glob("*.dcm")]
    return all(database.fileForInstance(str(header.SOPInstanceUID)) for header in headers)


def _instances(volumeNode) -> list[str]:
    return (volumeNode.GetAttribute(_INSTANCES) or "").split()


def linkedFolder(files: Sequence[Path], folder: Path) -> Path:
    """A new folder in which only these files lie, as links where the system has them."""
    folder.mkdir(parents=True)
    for number, file in enumerate(files):
        name = folder / f"{number:05d}.dcm"
        try:
            os.symlink(file, name)
        except OSError:  # Windows keeps links for administrators
            shutil.copyfile(file, name)
    return folder
