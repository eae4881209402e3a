"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to make for the result.")]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="Model name, or a folder such as ./mine (default: the one in use)."),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Threshold = Annotated[
    float | None, typer.Option(help="Probability from which a voxel is lesion (default: model card).")
]
MinVolume = Annotated[
    float | None, typer.Option("--min-volume", help="Drop smaller lesions, in mm3 (default: model card).")
]
MinPeak = Annotated[
    float | None,
    typer.Option(
        "--min-peak",
        help="Drop lesions that nowhere reach this probability; the others keep their outline (default: model card).",
    ),
]
BrainMask = Annotated[Path | None, typer.Option(help="Brain mask on the grid of the scan (default: found).")]
LesionLabel = Annotated[
    str | None,
    typer.Option(
        help="Which label of a mask with several is the lesion: 2, or 2,3, or all if each is a lesion of its own."
    ),
]
Mirroring = Annotated[
    bool | None,
    typer.Option(
        "--mirroring/--no-mirroring",
        "--flips/--no-flips",  # the name before
        help="Average over mirrored inputs: fewer false lesions and an uncertainty map, but four times as long in "
        "the network (default: model card).",
    ),
]
N4 = Annotated[bool, typer.Option("--n4", help="Correct the bias field first.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier result of the same command.")
]
Events = Annotated[bool, typer.Option("--events", help="Print one JSON object per line instead of a bar.")]
StopFile = Annotated[Path | None, typer.Option(help="Cancel when this file appears.")]
Replay = Annotated[
    list[str] | None,
    typer.Option(help="Replay buffer by name or folder; can be repeated (default: all of other sites)."),
]
