"""Whether a result from earlier is what a batch would make again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from MSLesionSegLib.checksums import file_sha256
from MSLesionSegLib.network.store import ModelCard
from MSLesionSegLib.segmentation.segment import SegmentRequest, request_settings

_ANY_DEVICE = "cpu"


def difference(manifest: Mapping[str, Any], request: SegmentRequest, card: ModelCard) -> str:
    """What sets a result apart from what ``request`` would make, or an empty text.

    The device does not count, nor does the program's version.

    Args:
        manifest: of the result.
        card: of the model that ``request`` names.
    """
    if manifest.get("task") != request.task:
        return "another task"
    if manifest["model"]["weights_sha256"] != card.weights_sha256:
        return f"the model {manifest['model']['name']}"
    for name, value in request_settings(request, card, _ANY_DEVICE).items():
        if name != "device" and manifest["settings"].get(name) != value:
            return f"{name} {manifest['settings'].get(name)} instead of {value}"
    before = {name: facts["sha256"] for name, facts in manifest["inputs"].items()}
    if before != {name: file_sha256(path) for name, path in request.inputs.items()}:
        return "other scans"
    return ""
