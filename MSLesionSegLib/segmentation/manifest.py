"""``result.json``: what was done to which scan, with what, and what came out; enough to repeat it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from MSLesionSegLib import __version__
from MSLesionSegLib.imaging.reading import InputWarning, Scan
from MSLesionSegLib.lesions.table import Lesion, totals_by_region
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.segmentation.result_folder import PROGRAM
from MSLesionSegLib.tasks import get_task
from MSLesionSegLib.versions import versions


def make_manifest(
    *,
    task: str,
    scans: Mapping[str, Scan],
    models: Mapping[str, ModelCard],
    settings: Mapping[str, Any],
    counts: Mapping[str, Any],
    remarks: Sequence[InputWarning],
    files: Mapping[str, str],
) -> dict[str, Any]:
    """Return the manifest as JSON types, without paths or text of a header.

    Names of inputs are left out, as people name files and folders after patients. One way remains: the names in
    ``files`` begin with the input's file name (see :func:`~MSLesionSegLib.segmentation.result_folder.stem_of`).

    Args:
        task: of the task table.
        scans: by input name; what was found on them is told with that name.
        models: cards by what the request calls the models.
        settings, counts: as they are to be shown.
        remarks: findings that belong to no single scan.
        files: names in the result folder by role.
    """
    row = get_task(task)
    told = [
        (f.code, _anonymous(f.sentence, row.scan(name).title, scan))
        for name, scan in scans.items()
        for f in scan.findings
    ]
    told += [(remark.code, remark.sentence) for remark in remarks]
    return {
        "program": PROGRAM,
        "version": __version__,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "note": "For research use only.",
        "task": task,
        "inputs": {name: {"title": row.scan(name).title} | _facts(scan) for name, scan in scans.items()},
        **{role: {"name": c.name, "weights_sha256": c.weights_sha256} for role, c in models.items()},
        "settings": dict(settings),
        "counts": dict(counts),
        "findings": [{"code": code, "sentence": sentence} for code, sentence in told],
        "versions": versions(),
        "files": dict(files),
    }


def count_lesions(lesions: Sequence[Lesion], brain: np.ndarray, affine: np.ndarray) -> dict[str, Any]:
    """Return number and volume (mm3) of the lesions, in all and by region, and the volume of the brain."""
    return {
        "lesions": len(lesions),
        "volume_mm3": round(sum(lesion.volume_mm3 for lesion in lesions), 2),
        "by_region": totals_by_region(lesions),
        "brain_volume_mm3": round(float(np.count_nonzero(brain) * np.prod(voxel_sizes(affine))), 1),
    }


def _facts(scan: Scan) -> dict[str, Any]:
    """What identifies the input without saying whose it is."""
    return {
        "sha256": scan.sha256,
        "shape": [int(n) for n in scan.image.shape],
        "spacing_mm": [round(float(s), 4) for s in voxel_sizes(scan.image.affine)],
        "orientation": "".join(nib.aff2axcodes(scan.image.affine)),
        "affine": [[round(float(v), 5) for v in row] for row in scan.image.affine],
    }


def _anonymous(sentence: str, title: str, scan: Scan) -> str:
    """The sentence about ``the FLAIR`` instead of about a file: findings begin with the name of what was read."""
    for text in sorted({scan.path.name, scan.path.resolve().name}, key=len, reverse=True):
        if sentence.startswith(f"{text} "):
            return f"The {title}{sentence[len(text) :]}"
    return sentence
