"""``mslesionseg segment enhancing``: enhancing lesions on T1 before and after gadolinium."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.commands.options import (
    N4,
    BrainMask,
    Device,
    Events,
    MinPeak,
    MinVolume,
    Mirroring,
    ModelOption,
    Output,
    Overwrite,
    StopFile,
    Threshold,
)
from MSLesionSegLib.commands.segment import segment_task


def segment_enhancing(
    pre: Annotated[
        Path, typer.Option(help="T1 before gadolinium: a file, or a folder with one DICOM series.")
    ],
    post: Annotated[Path, typer.Option(help="T1 after gadolinium; the results lie on its grid.")],
    output: Output,
    flair: Annotated[
        Path | None, typer.Option(help="FLAIR of the session: foci that it does not show are marked.")
    ] = None,
    model: ModelOption = None,
    device: Device = "auto",
    threshold: Threshold = None,
    min_volume: MinVolume = None,
    min_peak: MinPeak = None,
    brain_mask: BrainMask = None,
    mirroring: Mirroring = None,
    n4: N4 = False,
    overwrite: Overwrite = False,
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Enhancing lesions on T1 before and after gadolinium."""
    scans = {"pre": pre, "post": post, "flair": flair}
    segment_task(
        "enhancing",
        {name: path for name, path in scans.items() if path is not None},
        events,
        stop_file,
        output=output,
        model=model,
        device=device,
        threshold=threshold,
        minimum_mm3=min_volume,
        minimum_peak=min_peak,
        brain_mask=brain_mask,
        flips=mirroring,
        n4=n4,
        overwrite=overwrite,
    )
