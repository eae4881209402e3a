"""Prepared training examples: volumes on the network grid, on disk, read piece by piece."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.files.checksums import json_sha256
from MSLesionSegLib.files.foreign_json import read_json

ARRAYS = ("image", "label", "brain", "lesion_index", "focus_index", "brain_index")


@dataclass(frozen=True)
class Example:
    """One prepared scan in a folder of .npy files that are memory-mapped, so that a set never fills the memory.

    Attributes:
        folder: holds ``image.npy`` float16 (C, X, Y, Z) normalised, ``label.npy`` uint8 (X, Y, Z) with 0 to 255 for
            a lesion share of 0 to 1, ``brain.npy`` uint8 (X, Y, Z), flat voxel indices to centre patches on
            (``lesion_index.npy``, ``brain_index.npy``, ``focus_index.npy``) and ``example.json``.
        site: where it comes from.
        weight: how often it is drawn, relative to the others.
        sha256: of the stored arrays.
        source: SHA-256 of the files that it was prepared from; empty where that is not known.
    """

    folder: Path
    site: str
    weight: float = 1.0
    sha256: str = ""
    source: str = ""

    @property
    def name(self) -> str:
        return self.folder.name

    def array(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")


def write_example(
    folder: Path,
    image: np.ndarray,
    label: np.ndarray,
    brain: np.ndarray,
    *,
    site: str,
    weight: float = 1.0,
    focus: np.ndarray | None = None,
    source: str = "",
) -> Example:
    """Store a prepared scan.

    Args:
        folder: where; its last part becomes the example's name.
        image: (C, X, Y, Z) normalised intensities; label: (X, Y, Z) in [0, 1]; brain: (X, Y, Z).
        site, weight, source: see :class:`Example`.
        focus: (X, Y, Z), nonzero where the network should look harder, such as bright spots that are no lesions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    inside = np.flatnonzero(brain > 0)
    arrays: dict[str, np.ndarray] = {
        "image": np.clip(image, -20, 20).astype(np.float16),
        "label": np.round(np.clip(label, 0, 1) * 255).astype(np.uint8),
        "brain": (brain > 0).astype(np.uint8),
        "lesion_index": np.flatnonzero(label > 0.5).astype(np.int32),
        "focus_index": np.flatnonzero(np.zeros(0) if focus is None else focus > 0.5).astype(np.int32),
        "brain_index": inside[:: max(1, len(inside) // 200_000)].astype(np.int32),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    example = Example(folder, site, weight, _sha256(arrays.values()), source)
    facts = {"site": site, "weight": weight, "sha256": example.sha256, "source": source}
    # last and in one step: its presence says that the example is complete
    write_text(folder / "example.json", json.dumps(facts))
    return example


def check_untouched(example: Example) -> None:
    """Refuse an example whose arrays are no longer those that were written.

    Raises:
        SettingsError: they have another SHA-256, or one is missing.
    """
    try:
        found = _sha256(example.array(name) for name in ARRAYS)
    except (OSError, ValueError):
        found = ""
    if found != example.sha256:
        raise SettingsError(
            f"The prepared example {example.folder} has been changed or damaged since it was made. Delete the folder "
            "and prepare it again."
        )


def _sha256(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def fingerprint(examples: Iterable[Example]) -> str:
    """SHA-256 of a set of examples: names, contents and weights."""
    facts = [(example.site, example.name, example.sha256, example.weight) for example in examples]
    return json_sha256(facts)


def read_examples(root: Path) -> list[Example]:
    """All prepared scans below a folder, in the order of their names."""
    found = []
    for description in sorted(root.glob("**/example.json")):
        found.append(Example(description.parent, **read_json(description)))
    return found
