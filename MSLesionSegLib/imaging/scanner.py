"""What is known of the scanner and its settings: a fixed list of facts, never free text."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

# BIDS name: DICOM tag, factor to BIDS' unit
_NUMBERS = {
    "MagneticFieldStrength": ("0018|0087", 1.0),
    "RepetitionTime": ("0018|0080", 1e-3),
    "EchoTime": ("0018|0081", 1e-3),
    "InversionTime": ("0018|0082", 1e-3),
    "FlipAngle": ("0018|1314", 1.0),
    "SliceThickness": ("0018|0050", 1.0),
}
_MAKER, _MODEL, _ACQUISITION = (
    ("Manufacturer", "0008|0070"),
    ("ManufacturersModelName", "0008|1090"),
    ("MRAcquisitionType", "0018|0023"),
)
_MAKERS = ("Siemens", "GE", "Philips", "Canon", "Toshiba", "Hitachi", "Fujifilm", "Esaote", "UIH")
_MODEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9 .+/_-]{0,30}")


def scanner_facts(path: Path) -> dict[str, Any]:
    """Scanner and settings of a scan in BIDS' names and units (s, T, degrees, mm), as far as known.

    A DICOM series tells them itself; for a NIfTI file they come from the JSON file of the same name, as dcm2niix
    writes it. Everything else in there is left out, above all names, dates and descriptions.
    """
    return _from_dicom(path) if path.is_dir() else _from_sidecar(path)


def _from_sidecar(path: Path) -> dict[str, Any]:
    sidecar = path.with_name(re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE) + ".json")
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return _allowed(content) if isinstance(content, dict) else {}


def _from_dicom(folder: Path) -> dict[str, Any]:
    from MSLesionSegLib.imaging.dicom import series_values

    names = {name: tag for name, (tag, _) in _NUMBERS.items()} | dict((_MAKER, _MODEL, _ACQUISITION))
    found: dict[str, Any] = dict(zip(names, series_values(folder, tuple(names.values())), strict=True))
    for name, (_, factor) in _NUMBERS.items():
        try:
            found[name] = float(found[name]) * factor
        except ValueError:
            del found[name]
    return _allowed(found)


def _allowed(content: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name in _NUMBERS:
        value = content.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            facts[name] = round(float(value), 6)
    words = str(content.get(_MAKER[0], "")).lower().split()
    maker = next((maker for maker in _MAKERS if maker.lower() in words), None)
    if maker:
        facts[_MAKER[0]] = maker
        model = str(content.get(_MODEL[0], "")).strip()
        if _MODEL_NAME.fullmatch(model):
            facts[_MODEL[0]] = model
    if content.get(_ACQUISITION[0]) in ("2D", "3D"):
        facts[_ACQUISITION[0]] = content[_ACQUISITION[0]]
    return facts
