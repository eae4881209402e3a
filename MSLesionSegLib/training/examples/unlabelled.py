"""Scans without masks as training examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from MSLesionSegLib.errors import MSLesionSegError, SettingsError
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.imaging.formats import stands_for_scan
from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.segmentation.probability import network_input
from MSLesionSegLib.training.examples.example import Example, read_examples, write_example


def unlabelled_scans(source: Path) -> list[Path]:
    """FLAIR files of a BIDS dataset (``derivatives`` left out), or all image files of another folder."""
    files = sorted(path for path in source.rglob("*") if stands_for_scan(path.name))
    own = [path for path in files if "derivatives" not in path.relative_to(source).parts]
    flairs = [path for path in own if "_FLAIR." in path.name]
    return flairs or own


def prepare_unlabelled(source: Path, out: Path, progress: Progress) -> list[Example]:
    """Prepare every scan of a folder without looking for masks; prepared ones are kept.

    A folder of prepared examples is taken as it is. A scan that cannot be used is reported and left out. Examples
    are named after the content of their file: a changed file is prepared anew, a second copy is passed over, and no
    file name, which may tell a patient's, comes into a record.

    Raises:
        SettingsError: no scans at all.
    """
    ready = read_examples(source)
    if ready:
        return ready
    scans = unlabelled_scans(source)
    if not scans:
        raise SettingsError(f"{source} holds no scans (NIfTI, NRRD or FreeSurfer files).")
    examples: dict[str, Example] = {}
    for k, file in enumerate(scans):
        progress.stage("prepare scans", k / len(scans))
        digest = file_sha256(file)
        folder = out / f"scan-{digest[:16]}"
        if digest in examples:
            continue
        if (folder / "example.json").exists():
            examples[digest] = read_examples(folder)[0]
            continue
        try:
            image = read_scan(file).image
            seen = network_input([image], brain_mask(image))
        except MSLesionSegError as error:
            progress.warning(error.code, f"{file.name} is left out: {error}")
            continue
        nothing = np.zeros(seen.brain.shape, np.float32)
        examples[digest] = write_example(
            folder, seen.channels, nothing, seen.brain, site=source.name, source=digest
        )
    return sorted(examples.values(), key=lambda example: example.name)
