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

    def instancesOf(self, series: Path) -> str:
        """Take a series over as it lies, and return the UIDs that a volume loaded from it carries."""
        import pydicom

        for file in series.iterdir():
            self._files[pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID] = str(file)
        return " ".join(self._files)

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
