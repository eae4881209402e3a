"""Slicer's DICOM database, as far as the module uses it; its methods answer as those of ctkDICOMDatabase do."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path

import slicer


class DicomDatabase:
    """Headers by file; ``imported`` holds the files that were copied into it."""

    def __init__(self, folder: Path) -> None:
        self.isOpen = True
        self.folder = folder
        self.imported: list[Path] = []
        self._headers: dict[str, object] = {}

    def fileForInstance(self, uid: str) -> str:
        return next((file for file, header in self._headers.items() if header.SOPInstanceUID == uid), "")

    def seriesForFile(self, file: str) -> str:
        return self._headers[file].SeriesInstanceUID if file in self._headers else ""

    def studyForSeries(self, series: str) -> str:
        return self._first(series, "StudyInstanceUID")

    def fieldForSeries(self, field: str, series: str) -> str:
        return self._first(series, field)

    def seriesForStudy(self, study: str) -> tuple[str, ...]:
        found = [h.SeriesInstanceUID for h in self._headers.values() if h.StudyInstanceUID == study]
        return tuple(dict.fromkeys(found))

    def filesForSeries(self, series: str) -> tuple[str, ...]:
        return tuple(file for file, header in self._headers.items() if header.SeriesInstanceUID == series)

    def showSeries(self, series: Path, volume) -> None:
        """Take a series over as it lies; the volume is from then on as Slicer's DICOM module loads it."""
        uids = [self._take(file).SOPInstanceUID for file in series.iterdir()]
        volume.SetAttribute("DICOM.instanceUIDs", " ".join(uids))
        storage = volume.GetStorageNode()  # there is none then, and no time of reading
        volume.SetAndObserveStorageNodeID(None)
        slicer.mrmlScene.RemoveNode(storage)

    def remove(self, file: Path) -> None:
        """As a person does in the DICOM browser."""
        del self._headers[str(file)]

    def _first(self, series: str, field: str) -> str:
        files = self.filesForSeries(series)
        return str(getattr(self._headers[files[0]], field)) if files else ""

    def _take(self, file: Path):
        import pydicom

        self._headers[str(file)] = pydicom.dcmread(file, stop_before_pixels=True)
        return self._headers[str(file)]

    def _add(self, folder: str, database: DicomDatabase, copy: bool) -> None:
        assert database is self and copy
        for file in sorted(Path(folder).glob("*.dcm")):
            self.imported.append(Path(shutil.copy(file, self.folder / f"{len(self.imported)}.dcm")))
            self._take(self.imported[-1])


def useDatabase(folder: Path, monkeypatch) -> DicomDatabase:
    """A database of Slicer that is open."""
    folder.mkdir()
    database = DicomDatabase(folder)
    library = types.ModuleType("DICOMLib")
    library.DICOMUtils = types.SimpleNamespace(importDicom=database._add)
    monkeypatch.setitem(sys.modules, "DICOMLib", library)
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    return database
