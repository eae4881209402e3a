"""What all objects that are written tell of themselves: who made them, and that they are for research use only."""

from __future__ import annotations

from typing import Any

from pydicom.uid import generate_uid

from MSLesionSegLib import __version__

MAKER = "MSLesionSeg"
RESEARCH = "For research use only"


def origin(number: int, what: str) -> dict[str, Any]:
    """Arguments by which highdicom makes an object of a series of its own.

    Args:
        number: of the series.
        what: the object shows.
    """
    return {
        "series_instance_uid": generate_uid(prefix=None),
        "series_number": number,
        "sop_instance_uid": generate_uid(prefix=None),
        "instance_number": 1,
        "manufacturer": MAKER,
        "manufacturer_model_name": MAKER,
        "software_versions": __version__,
        "series_description": f"{what}, {RESEARCH[0].lower()}{RESEARCH[1:]}",
    }
