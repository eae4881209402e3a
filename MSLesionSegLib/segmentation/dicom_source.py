"""Which DICOM series a result was made on, kept in its folder so that it can be written back to their study.

This one file tells paths and UIDs, which say whose scan it is: it stays on the computer, unlike the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MSLesionSegLib.files.foreign_json import read_json

if TYPE_CHECKING:
    from MSLesionSegLib.imaging.dicom.tracked_segments import Tracking
    from MSLesionSegLib.imaging.reading import Scan
    from MSLesionSegLib.tasks import Task

SOURCE = "dicom_source.json"


@dataclass(frozen=True)
class DicomSource:
    """What a result remembers of its DICOM series.

    Attributes:
        files: of each input that was one, by its name.
        numbered_since: UID of the first series of the patient whose lesions got the numbers that they have here.
        tracking: of lesions that an earlier DICOM Segmentation knew, by their numbers.
    """

    files: Mapping[str, tuple[Path, ...]]
    numbered_since: str = ""
    tracking: Mapping[int, Tracking] = field(default_factory=dict)


def source_of(scans: Mapping[str, Scan], task: Task, previous: Path | None) -> dict[str, Any] | None:
    """The content of :data:`SOURCE` as JSON types; None where no scan was a DICOM series.

    Args:
        scans: by input name.
        previous: result or DICOM Segmentation in which the lesions got their numbers.
    """
    from MSLesionSegLib.imaging.dicom.series import series_uid
    from MSLesionSegLib.imaging.dicom.tracked_segments import read_tracked_segments
    from MSLesionSegLib.segmentation.longitudinal.earlier_ids import earlier_segmentation

    files = {name: scan.dicom_files for name, scan in scans.items() if scan.dicom_files}
    if not files:
        return None
    first, before = task.reference, DicomSource({})
    segmentation = None if previous is None else earlier_segmentation(previous)
    if segmentation is not None:  # lesions that it does not know get their numbers now
        told = read_tracked_segments(segmentation)
        first = task.reviewed_on
        before = DicomSource({}, tracking={told.lesions[n]: one for n, one in told.tracked.items()})
    elif previous is not None:
        before = read_source(previous)
    return {
        "note": "Names files and UIDs of a patient. Do not hand it on.",
        "numbered_since": before.numbered_since or (series_uid(files[first]) if first in files else ""),
        "tracking": {str(number): [one.identifier, one.uid] for number, one in before.tracking.items()},
        "files": {name: [str(file) for file in found] for name, found in files.items()},
    }


def read_source(result: Path) -> DicomSource:
    """What a result folder remembers; nothing where it was made on other files."""
    from MSLesionSegLib.imaging.dicom.tracked_segments import Tracking

    try:
        content = read_json(result / SOURCE)
        files = {name: tuple(Path(file) for file in found) for name, found in content["files"].items()}
        tracking = {
            int(number): Tracking(*map(str, one)) for number, one in content.get("tracking", {}).items()
        }
        return DicomSource(files, str(content["numbered_since"]), tracking)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return DicomSource({})
