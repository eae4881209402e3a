"""The file formats that a scan or a mask comes in."""

from MSLesionSegLib.imaging.formats.opening import (
    ENDINGS,
    open_volume,
    stands_for_scan,
    without_ending,
)
from MSLesionSegLib.imaging.formats.stored import StoredVolume

__all__ = ["ENDINGS", "StoredVolume", "open_volume", "stands_for_scan", "without_ending"]
