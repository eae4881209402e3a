"""Where the shipped models and the atlas lie."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# a wheel carries them inside the package; the source tree and the Slicer extension have them beside it
_INSIDE, _BESIDE = _PACKAGE / "Resources", _PACKAGE.parent / "Resources"

RESOURCES = _INSIDE if _INSIDE.is_dir() else _BESIDE
