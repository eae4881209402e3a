"""A prepared example in few bytes, for carrying: nothing outside the brain, intensities in steps of 0.1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.training.examples.example import Example, write_example

STEP = 0.1  # standard deviations; the rounding is a tenth of a scan's noise
_HIGHEST = 127
_MOST_VOXELS = 2**27


def write_packed(example: Example, folder: Path) -> None:
    """Write an example below ``folder``, for a zip file to compress.

    ``image.npy`` uint8 (C, brain voxels): each voxel's difference from the one before it (modulo 256), in steps of
    0.1, cut off at 12.7; ``label.npy`` uint8 (brain voxels): 0 to 255 for a lesion share of 0 to 1; ``brain.npy`` and
    ``focus.npy``: one bit per voxel; ``example.json``.
    """
    target = folder / example.name
    target.mkdir(parents=True)
    brain = example.array("brain") > 0
    focus = np.zeros(brain.shape, dtype=bool)
    focus.flat[example.array("focus_index")] = True
    inside = np.asarray(example.array("image"))[:, brain].astype(np.float32)
    steps = np.clip(np.round(inside / STEP), -_HIGHEST, _HIGHEST).astype(np.int8).view(np.uint8)
    np.save(target / "image.npy", np.diff(steps, axis=1, prepend=np.uint8(0)))
    np.save(target / "label.npy", np.asarray(example.array("label"))[brain])
    np.save(target / "brain.npy", np.packbits(brain))
    np.save(target / "focus.npy", np.packbits(focus))
    facts = {"site": example.site, "weight": example.weight, "shape": brain.shape}
    (target / "example.json").write_text(json.dumps(facts), encoding="utf-8")


def read_packed(source: Path, folder: Path) -> Example:
    """Write the example that lies packed in ``source`` as a usable one to ``folder``.

    Raises:
        SettingsError: the files do not fit together.
    """
    try:
        facts = read_json(source / "example.json")
        shape = tuple(int(n) for n in facts["shape"])
        if len(shape) != 3 or min(shape) < 1 or np.prod(shape, dtype=np.int64) > _MOST_VOXELS:
            raise ValueError(f"shape {shape}")
        brain, focus = (_bits(source / f"{name}.npy", shape) for name in ("brain", "focus"))
        steps = np.cumsum(_bytes(source / "image.npy"), axis=1, dtype=np.uint8).view(np.int8)
        image = np.zeros((len(steps), *shape), dtype=np.float32)
        image[:, brain] = steps * np.float32(STEP)
        label = np.zeros(shape, dtype=np.float32)
        label[brain] = _bytes(source / "label.npy") / np.float32(255)
        return write_example(
            folder,
            image,
            label,
            brain,
            site=str(facts["site"]),
            weight=float(facts["weight"]),
            focus=focus.astype(np.float32) if focus.any() else None,
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise SettingsError(
            f"The example {source.name} of the replay buffer is damaged ({error})."
        ) from error


def _bytes(file: Path) -> np.ndarray:
    array = np.load(file, allow_pickle=False, mmap_mode="r")  # its head may promise more than there is
    if array.dtype != np.uint8:
        raise ValueError(f"{file.name} holds {array.dtype}")
    return array


def _bits(file: Path, shape: tuple[Any, ...]) -> np.ndarray:
    return np.unpackbits(_bytes(file), count=int(np.prod(shape))).reshape(shape).astype(bool)
