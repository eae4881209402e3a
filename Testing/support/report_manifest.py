"""What a page tells about a result, made up."""

from __future__ import annotations

from MSLesionSegLib.lesions.table import Lesion
from MSLesionSegLib.segmentation.report.report import REGION_COLOURS


def make_manifest(lesions: list[Lesion], findings: list[dict] | None = None) -> dict:
    return {
        "version": "0.1.0",
        "created": "2026-01-02T03:04:05+00:00",
        "task": "flair",
        "inputs": {
            "flair": {
                "title": "FLAIR",
                "sha256": "ab" * 32,
                "shape": [40, 50, 30],
                "spacing_mm": [3.0, 3.0, 3.0],
            }
        },
        "model": {"name": "flair-ms", "weights_sha256": "cd" * 32},
        "settings": {
            "threshold": 0.5,
            "minimum_mm3": 3.0,
            "minimum_peak": 0.0,
            "connectivity": 26,
            "brain_mask": "given",
            "n4": False,
            "flips": False,
        },
        "counts": {
            "lesions": len(lesions),
            "volume_mm3": sum(lesion.volume_mm3 for lesion in lesions),
            "brain_volume_mm3": 1.3e6,
            "by_region": {
                region: {
                    "lesions": sum(lesion.region == region for lesion in lesions),
                    "volume_mm3": sum(lesion.volume_mm3 for lesion in lesions if lesion.region == region),
                }
                for region in REGION_COLOURS
            },
        },
        "findings": findings or [],
        "versions": {"torch": "2.13.0"},
    }
