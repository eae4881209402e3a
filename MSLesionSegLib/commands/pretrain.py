"""``mslesionseg pretrain``: an encoder from scans without masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from MSLesionSegLib.commands.options import Device, JobOptions, takes_options
from MSLesionSegLib.commands.running import run
from MSLesionSegLib.commands.study.options import STAGES, Threads, absolute, stays, threads_or_default
from MSLesionSegLib.jobs.cluster import LOCAL
from MSLesionSegLib.jobs.job import Job


@takes_options
def pretrain(
    options: JobOptions,
    scans: Annotated[
        list[Path], typer.Argument(help="Folders with scans, BIDS or not, or with prepared examples.")
    ],
    name: Annotated[str, typer.Option(help="Name of the new base model.")],
    work: Annotated[
        Path,
        typer.Option(help="Folder for record, curve, page and checkpoint; a stopped run is resumed from it."),
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
    threads: Threads = None,
) -> None:
    """Pre-train an encoder on scans without masks; it becomes a base model for fine-tuning."""

    def make(job: Job) -> Path:
        from MSLesionSegLib.network.device import choose_device
        from MSLesionSegLib.network.models.store import check_name, user_models_folder
        from MSLesionSegLib.studies.pretraining.cells import store_encoder
        from MSLesionSegLib.studies.pretraining.networks import chosen_networks
        from MSLesionSegLib.studies.pretraining.settings import PretrainingData, PretrainingSettings
        from MSLesionSegLib.studies.pretraining.study import run_pretraining

        chosen = PretrainingSettings(
            networks=chosen_networks([preset], settings, seed=0),
            threads=threads_or_default(threads),
            device=choose_device(device),
        )
        models = user_models_folder()
        check_name(models, name)
        run_pretraining(chosen, PretrainingData(absolute(scans)), work, LOCAL, job)
        return store_encoder(work, preset, name, models)

    def describe(folder: Path) -> dict[str, Any]:
        page = work.absolute() / "report.html"
        return {"model": folder.name, "folder": str(folder.absolute()), "report": str(page)}

    run("pretrain", make, STAGES, describe, options, stays(work))
