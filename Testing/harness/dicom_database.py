"""Slicer's DICOM database, as far as the module uses it."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path

import slicer


class DicomDatabase:
    """Files by the UID of their instance; ``imported`` holds what was added."""

    def __init__(self, folder: Path) -> None:
        self.isOpen = True
        self.folder = folder
        self.imported: list[Path] = []
        self._files: dict[str, str] = {}

    def fileForInstance(self, uid: str) -> str:
        return self._files.get(uid, "")

    def showSeries(self, series: Path, volume) -> None:
        """Take a series over as it lies; the volume is from then on as Slicer's DICOM module loads it."""
        import pydicom

        uids = []
        for file in series.iterdir():
            uids.append(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID)
            self._files[uids[-1]] = str(file)
        volume.SetAttribute("DICOM.instanceUIDs", " ".join(uids))
        storage = volume.GetStorageNode()  # there is none then, and no time of reading
        volume.SetAndObserveStorageNodeID(None)
        slicer.mrmlScene.RemoveNode(storage)

    def _add(self, folder: str, database: DicomDatabase, copy: bool) -> None:
        assert database is self and copy
        for file in sorted(Path(folder).glob("*.dcm")):
            self.imported.append(Path(shutil.copy(file, self.folder)))


def useDatabase(folder: Path, monkeypatch) -> DicomDatabase:
    """A database of Slicer that is open."""
    folder.mkdir()
    database = DicomDatabase(folder)
    library = types.ModuleType("DICOMLib")
    library.DICOMUtils = types.SimpleNamespace(importDicom=database._add)
    monkeypatch.setitem(sys.modules, "DICOMLib", library)
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    return database
