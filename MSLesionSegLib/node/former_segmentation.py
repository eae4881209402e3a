"""What a former study's lesions are called: this program's segmentation of them, asked from the archive."""

from __future__ import annotations

import contextlib
from pathlib import Path

from MSLesionSegLib.dicom.making import MAKER
from MSLesionSegLib.dicom.source_series import read_series
from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.dicom.choice import choose
from MSLesionSegLib.imaging.dicom.study import list_series
from MSLesionSegLib.imaging.dicom.tracked_segments import TrackedSegments, read_tracked_segments
from MSLesionSegLib.imaging.reading import read_labels
from MSLesionSegLib.node.former_study import fetch_series
from MSLesionSegLib.pacs.archive import Archive
from MSLesionSegLib.pacs.files import IncompleteSeries


def fetch_segmentation(archive: Archive, former: Path, folder: Path) -> Path | None:
    """Bring the latest segmentation of this program on the FLAIR of a former study into ``folder``, to be made.

    None where there is none that tracks its lesions and lies on the voxels of that FLAIR.

    Args:
        former: folder of the former study's MR series.

    Raises:
        PacsError: the archive fails.
    """
    series = list_series(former)
    try:
        flair = choose("the former study", series, "FLAIR").series
        grid = read_series(flair.files).grid
    except ImageError:
        return None
    folder.mkdir()
    with contextlib.suppress(IncompleteSeries):
        fetch_series(archive, flair.study_uid, "SEG", folder)
    made = {}
    for file in folder.rglob("*.dcm"):
        with contextlib.suppress(ImageError):
            told = read_tracked_segments(file)
            if _is_ours(told) and flair.series_uid in told.sources:
                read_labels(file, grid)
                made[file] = told.made
    return max(made, key=lambda file: made[file], default=None)


def _is_ours(told: TrackedSegments) -> bool:
    return told.maker == MAKER and bool(told.tracked) and len(told.tracked) == len(told.segments)
