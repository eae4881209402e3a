"""Coded terms for lesions, their regions and states (DICOM PS3.16)."""

from __future__ import annotations

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from MSLesionSegLib.lesions import regions

_OWN = "99MSLESIONSEG"  # for what no public scheme names

ABNORMAL = codes.SCT.MorphologicallyAbnormalStructure
LESION = codes.SCT.Lesion
_TYPES = {"enhancing": codes.NCIt.EnhancingLesion}

# the place, and what narrows it down
_REGIONS = {
    regions.PERIVENTRICULAR: (
        codes.SCT.CerebralWhiteMatter,
        Code("periventricular", _OWN, "Periventricular"),
    ),
    regions.JUXTACORTICAL: (codes.SCT.CerebralWhiteMatter, Code("juxtacortical", _OWN, "Juxtacortical")),
    regions.IN_INFRATENTORIAL: (codes.SCT.Brain, Code("infratentorial", _OWN, "Infratentorial")),
    regions.DEEP_WHITE_MATTER: (codes.SCT.CerebralWhiteMatter, Code("deep", _OWN, "Deep white matter")),
}
STATE = Code("state", _OWN, "State of the lesion")
REVIEW = Code("review", _OWN, "Review by a person")
REVIEWED = Code("reviewed", _OWN, "Reviewed, for research use only")
NOT_REVIEWED = Code("not-reviewed", _OWN, "Not reviewed, for research use only")


def lesion_type(task: str) -> Code:
    """What a lesion of a task is."""
    return _TYPES.get(task, LESION)


def region_codes(region: str) -> tuple[Code, Code | None]:
    """Anatomic structure and its modifier for a region of the lesion table."""
    return _REGIONS.get(region, (codes.SCT.Brain, None))


def state_code(state: str) -> Code:
    """A state of the task table."""
    return Code(state, _OWN, state.capitalize())
