"""What a result folder tells of itself: the record that its review keeps, and whether its counts are honest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.files.checksums import file_sha256


def recordOf(
    manifest: Mapping[str, Any], sha256: str, inputs: Mapping[str, Path], draft: Path
) -> dict[str, Any]:
    """The record of a result: where it comes from and how its lesions were found, without decisions.

    Args:
        manifest: of the result folder.
        sha256: of that manifest.
        inputs: the files that were segmented, by input name.
        draft: the mask as it was found.
    """
    settings = manifest["settings"]
    return {
        "task": manifest["task"],
        "model": manifest["model"],
        "device": settings["device"],
        "threshold": settings["threshold"],
        "minimum_mm3": settings["minimum_mm3"],
        "minimum_peak": settings["minimum_peak"],
        "found_by": [settings["threshold"], settings["minimum_mm3"]],
        "inputs": {name: str(path) for name, path in inputs.items()},
        "draft": str(draft),
        "draft_sha256": file_sha256(draft),
        "remarks": _remarks(manifest),
        "confidence": manifest.get("confidence", {}).get("lesions"),
        "decisions": {},
        "result": sha256,
    }


def refuseIncomparable(manifest: Mapping[str, Any]) -> None:
    """Counts that the core withholds are not shown either."""
    told = manifest.get("comparability", {})
    if told.get("counts") == "withheld":
        reasons = " ".join(check["sentence"] for check in told["checks"] if check["light"] == "red")
        raise MSLesionSegError(_("These two scans cannot be compared.") + " " + reasons)


def _remarks(manifest: Mapping[str, Any]) -> list[str]:
    """What to know about the scans: sentences of the core, doubts about comparing two scans first."""
    checks = manifest.get("comparability", {}).get("checks", ())
    doubts = [check["sentence"] for check in checks if check["light"] != "green"]
    return [*doubts, *(finding["sentence"] for finding in manifest["findings"])]
