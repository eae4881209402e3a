"""The files of the DICOM series that a result was made on, wherever they are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.imaging.dicom.series import series_sha256, series_uid
from MSLesionSegLib.imaging.dicom.study import list_series
from MSLesionSegLib.segmentation.dicom_source import DicomSource, read_source
from MSLesionSegLib.tasks import get_task


def source_files(result: Path, manifest: Mapping[str, Any], sources: Mapping[str, Path]) -> DicomSource:
    """What a result remembers of its series, with the files of those inputs whose series is known and there.

    Args:
        result: folder of the result.
        manifest: content of its ``result.json``.
        sources: folder with the series of an input by its name, where it is not where it was.

    Raises:
        SettingsError: the result has no such input.
        ImageError: a folder holds another series.
    """
    remembered = read_source(result)
    inputs = manifest["inputs"]
    files = {name: found for name, found in remembered.files.items() if _is(found, inputs[name])}
    for name, folder in sources.items():
        if name not in inputs:
            raise SettingsError(f"This result has no input '{name}'. Its inputs: {', '.join(inputs)}.")
        files[name] = _series_in(folder, inputs[name], known=name in remembered.files)
    first = files.get(get_task(manifest["task"]).reference)
    since = remembered.numbered_since or (series_uid(first) if first else "")
    return replace(remembered, files=files, numbered_since=since)


def _series_in(folder: Path, told: Mapping[str, Any], *, known: bool) -> tuple[Path, ...]:
    """The series in a folder that an input was; of an input that was no series, the only one that there is."""
    series = [info.files for info in list_series(folder)]
    same = [files for files in series if _is(files, told)]
    found = same or ([] if known else series)
    if len(found) != 1:
        held = (
            "does not hold the series"
            if known
            else f"holds {len(found)} series and does not say which one is that"
        )
        raise ImageError(
            f"The folder {folder.name} {held} of the {told['title']} that the result was made on."
        )
    return found[0]


def _is(files: tuple[Path, ...], told: Mapping[str, Any]) -> bool:
    try:
        return series_sha256(files) == told["sha256"]
    except OSError:
        return False
