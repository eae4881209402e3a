"""Which DICOM series a result was made on, kept in its folder so that it can be written back to their study.

This one file tells paths and UIDs, which say whose scan it is: it stays on the computer, unlike the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MSLesionSegLib.files.foreign_json import read_json

if TYPE_CHECKING:
    from MSLesionSegLib.imaging.reading import Scan

SOURCE = "dicom_source.json"


@dataclass(frozen=True)
class DicomSource:
    """What a result remembers of its DICOM series.

    Attributes:
        files: of each input that was one, by its name.
        numbered_since: UID of the first series of the patient whose lesions got the numbers that they have here.
    """

    files: Mapping[str, tuple[Path, ...]]
    numbered_since: str = ""


def source_of(scans: Mapping[str, Scan], first: str, previous: Path | None) -> dict[str, Any] | None:
    """The content of :data:`SOURCE` as JSON types; None where no scan was a DICOM series.

    Args:
        scans: by input name.
        first: name of the input whose lesions are numbered first.
        previous: result in which the lesions got their numbers.
    """
    from MSLesionSegLib.imaging.dicom.series import series_uid

    files = {name: scan.dicom_files for name, scan in scans.items() if scan.dicom_files}
    if not files:
        return None
    since = read_source(previous).numbered_since if previous else ""
    return {
        "note": "Names files and UIDs of a patient. Do not hand it on.",
        "numbered_since": since or (series_uid(files[first]) if first in files else ""),
        "files": {name: [str(file) for file in found] for name, found in files.items()},
    }


def read_source(result: Path) -> DicomSource:
    """What a result folder remembers; nothing where it was made on other files."""
    try:
        content = read_json(result / SOURCE)
        files = {name: tuple(Path(file) for file in found) for name, found in content["files"].items()}
        return DicomSource(files, str(content["numbered_since"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return DicomSource({})
