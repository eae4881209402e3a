"""Result folders that hold next to nothing."""

from __future__ import annotations

from pathlib import Path

from MSLesionSegLib.segmentation.result_folder import (
    staged,
    write_manifest,
)

TASK = "flair"


def make_result(folder: Path, text: str, task: str = TASK) -> None:
    with staged(folder, task, overwrite=folder.exists()) as work:
        (work / "mask.txt").write_text(text)
        write_manifest({"program": "mslesionseg", "task": task, "files": {"mask": "mask.txt"}}, work)


def listing(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())
