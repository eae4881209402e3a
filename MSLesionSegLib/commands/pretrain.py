"""``mslesionseg pretrain``: an encoder from scans without masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from MSLesionSegLib.commands.options import Device, Events, StopFile
from MSLesionSegLib.commands.running import run
from MSLesionSegLib.jobs import Job


def pretrain(
    scans: Annotated[
        list[Path], typer.Argument(help="Folders with scans, BIDS or not, or with prepared examples.")
    ],
    name: Annotated[str, typer.Option(help="Name of the new base model.")],
    work: Annotated[
        Path,
        typer.Option(help="Folder for prepared scans and the checkpoint; a stopped run goes on from it."),
    ],
    preset: Annotated[
        str,
        typer.Option(help="unet, unetr or swinunetr for a CPU; unetr-paper or swinunetr-paper for a GPU."),
    ] = "unet",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Field of the recipe, such as steps=1000 or rotation=true; can be repeated."
        ),
    ] = None,
    device: Device = "auto",
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Pre-train an encoder on scans without masks; it becomes a base model for fine-tuning."""

    def make(job: Job) -> Path:
        from MSLesionSegLib.network.device import choose_device
        from MSLesionSegLib.network.store import check_name, user_models_folder
        from MSLesionSegLib.studies.recipes import recipe_with
        from MSLesionSegLib.training.pretraining import get_preset
        from MSLesionSegLib.training.pretraining import pretrain as train
        from MSLesionSegLib.training.unlabelled import prepare_unlabelled

        chosen = get_preset(preset)
        recipe = recipe_with(chosen.recipe, settings)
        models = user_models_folder()
        check_name(models, name)
        examples = [
            example
            for source in scans
            for example in prepare_unlabelled(source, work / "examples" / source.name, job)
        ]
        return train(
            name,
            chosen.architecture,
            recipe,
            examples,
            models,
            checkpoint=work / f"{name}.pt",
            device=choose_device(device),
            progress=job,
        )

    def describe(folder: Path) -> dict[str, Any]:
        return {"model": folder.name, "folder": str(folder.absolute())}

    cancelled = (
        f"Cancelled. Prepared scans and a checkpoint stay in {work}; the same command goes on from there."
    )
    run("pretrain", make, {"prepare scans": 5.0, "training": 100.0}, describe, events, stop_file, cancelled)
