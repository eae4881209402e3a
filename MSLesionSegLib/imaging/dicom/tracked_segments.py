"""By what the segments of a DICOM Segmentation are known over all visits (PS3.3, C.8.20.2: tracking ID and UID)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pydicom

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.dicom.headers import parse, quiet

_NUMBERED = re.compile(r"Lesion (\d{1,9})")


@dataclass(frozen=True)
class Tracking:
    """An identifier for people and a UID for programs."""

    identifier: str
    uid: str


@dataclass(frozen=True)
class TrackedSegments:
    """What a segmentation tells of its segments.

    Attributes:
        maker: of the program that wrote it.
        made: when, as texts that sort by time.
        sources: UIDs of the series that it was made on.
        segments: by number; None for one that is not tracked.
    """

    maker: str
    made: tuple[str, str]
    sources: frozenset[str]
    segments: Mapping[int, Tracking | None]

    @property
    def tracked(self) -> dict[int, Tracking]:
        """The segments that are."""
        return {number: tracking for number, tracking in self.segments.items() if tracking}

    @property
    def lesions(self) -> dict[int, int]:
        """Numbers of the lesions by segment: those of the identifiers where all have one, else of the segments."""
        named = {n: _NUMBERED.fullmatch(t.identifier) for n, t in self.tracked.items()}
        numbers = {n: int(match[1]) for n, match in named.items() if match}
        unique = len(set(numbers.values())) == len(self.segments) and 0 not in numbers.values()
        return numbers if unique else {number: number for number in self.segments}


def read_tracked_segments(file: Path) -> TrackedSegments:
    """Read what a DICOM Segmentation tells of its segments.

    Raises:
        ImageError: it is none.
    """
    try:
        with quiet():
            header = parse(file, stop_before_pixels=True)
            return TrackedSegments(
                str(header.get("Manufacturer", "")),
                (str(header.get("ContentDate", "")), str(header.get("ContentTime", ""))),
                frozenset(
                    str(item.SeriesInstanceUID) for item in header.get("ReferencedSeriesSequence") or ()
                ),
                {
                    int(item.SegmentNumber): Tracking(str(item.get("TrackingID", "")), str(item.TrackingUID))
                    if "TrackingUID" in item
                    else None
                    for item in header.SegmentSequence
                },
            )
    except (OSError, AttributeError, ValueError, TypeError, pydicom.errors.InvalidDicomError):
        raise ImageError(
            f"{file.name} is no DICOM Segmentation. Give the one of the earlier export."
        ) from None
