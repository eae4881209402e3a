"""The file formats that a scan or a mask comes in."""

from MSLesionSegLib.imaging.formats.opening import (
    ENDINGS,
    KINDS,
    open_volume,
    stands_for_scan,
    without_ending,
)
from MSLesionSegLib.imaging.formats.stored import StoredVolume

__all__ = ["ENDINGS", "KINDS", "StoredVolume", "open_volume", "stands_for_scan", "without_ending"]
