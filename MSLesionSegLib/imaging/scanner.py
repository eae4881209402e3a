"""What is known of the scanner and its settings: a fixed list of facts, never free text."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from MSLesionSegLib.files.foreign_json import ForeignJsonError, read_json
from MSLesionSegLib.imaging.formats import without_ending

# BIDS name, the same as the DICOM keyword: factor to BIDS' unit
_NUMBERS = {
    "MagneticFieldStrength": 1.0,
    "RepetitionTime": 1e-3,
    "EchoTime": 1e-3,
    "InversionTime": 1e-3,
    "FlipAngle": 1.0,
    "SliceThickness": 1.0,
}
# BIDS name, DICOM keyword
_MAKER, _MODEL, _ACQUISITION = (
    ("Manufacturer", "Manufacturer"),
    ("ManufacturersModelName", "ManufacturerModelName"),
    ("MRAcquisitionType", "MRAcquisitionType"),
)
_MAKERS = ("Siemens", "GE", "Philips", "Canon", "Toshiba", "Hitachi", "Fujifilm", "Esaote", "UIH")
_MODEL_WORDS = """
achieva aera airis altea ambition amira aperto architect artist avanto biograph biograph_mmr centurian cima.x creator
cx discovery echelon elan elition essenza espree evolution explorer fit flow free.max free.star galan gyroscan
harmony hdx hdxt hero impact ingenia intera lumina magnetom mmr optima orian oasis panorama pioneer premier prisma
prisma_fit pro rise saturn signa skyra skyra_fit sola spectra symphony symphonytim terra terra.x tim titan trio
triotim vantage velocity verio vida voyager x xq xr
"""
_TYPE_NUMBER = re.compile(r"(MR|uMR)?\d{1,3}(\.\d)?[A-Za-z]{0,2}", re.IGNORECASE)


def scanner_facts(path: Path) -> dict[str, Any]:
    """Scanner and settings of a scan in BIDS' names and units (s, T, degrees, mm), as far as known.

    A DICOM series tells them itself; for a NIfTI file they come from the JSON file of the same name, as dcm2niix
    writes it. Everything else in there is left out, above all names, dates and descriptions.
    """
    return _from_dicom(path) if path.is_dir() else _from_sidecar(path)


def _from_sidecar(path: Path) -> dict[str, Any]:
    sidecar = path.with_name(f"{without_ending(path.name) or path.name}.json")
    try:
        content = read_json(sidecar)
    except (OSError, ForeignJsonError):
        return {}
    return _allowed(content) if isinstance(content, dict) else {}


def _from_dicom(folder: Path) -> dict[str, Any]:
    from MSLesionSegLib.imaging.dicom import series_values

    names = {name: name for name in _NUMBERS} | dict((_MAKER, _MODEL, _ACQUISITION))
    found: dict[str, Any] = dict(zip(names, series_values(folder, tuple(names.values())), strict=True))
    for name, factor in _NUMBERS.items():
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
        model = _model(str(content.get(_MODEL[0], "")))
        if model:
            facts[_MODEL[0]] = model
    if content.get(_ACQUISITION[0]) in ("2D", "3D"):
        facts[_ACQUISITION[0]] = content[_ACQUISITION[0]]
    return facts


def _model(text: str) -> str:
    """The words of a model's name that are names of known models or type numbers; all else could be a person's."""
    words = text.split()
    return " ".join(w for w in words if w.lower() in _MODEL_WORDS.split() or _TYPE_NUMBER.fullmatch(w))[
        :31
    ].strip()
