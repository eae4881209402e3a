"""What a former study's lesions are called: this program's segmentation of them, asked from the archive."""

from __future__ import annotations

import contextlib
from pathlib import Path

from MSLesionSegLib.dicom.source_series import read_series
from MSLesionSegLib.dicom.tracking import latest_segmentation
from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.dicom.choice import choose
from MSLesionSegLib.imaging.dicom.study import list_series
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
    try:
        flair = choose("the former study", list_series(former), "FLAIR").series
        series = read_series(flair.files)
    except ImageError:
        return None
    folder.mkdir()
    with contextlib.suppress(IncompleteSeries):
        fetch_series(archive, flair.study_uid, "SEG", folder)
    return latest_segmentation(folder.rglob("*.dcm"), series)
