"""``mslesionseg study pretraining``: an encoder from scans without masks against training de novo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.commands.options import Device, takes_options
from MSLesionSegLib.commands.study.options import (
    RecipeName,
    StudyOptions,
    absolute,
    model_reference,
    threads_or_default,
)
from MSLesionSegLib.jobs.job import Job


@takes_options
def study_pretraining(
    options: StudyOptions,
    scans: Annotated[list[Path], typer.Argument(help="Folders with scans; masks are not looked at.")],
    cases: Annotated[
        list[Path], typer.Option(help="Dataset with masks to train and test on; can be repeated.")
    ],
    network: Annotated[
        list[str] | None,
        typer.Option(help="unet, unetr or swinunetr (default: all three), or their -paper sizes."),
    ] = None,
    pretrain_settings: Annotated[
        list[str] | None,
        typer.Option(
            "--pretrain-set",
            help="Field of the pre-trainings' recipe, such as steps=1000, or of one network's: unetr:steps=500.",
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Also a model of other hospitals' masks, fine-tuned on the same ones.")
    ] = None,
    subset: Annotated[int, typer.Option(help="Patients per subset of the rotation.")] = 2,
    n: Annotated[
        list[int] | None, typer.Option("--n", help="Masks; can be repeated (default: 2 and 4).")
    ] = None,
    recipe: RecipeName = "default",
    threshold: Annotated[float, typer.Option(help="Probability from which a voxel is lesion.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Order of the patients and random weights.")] = 0,
    device: Device = "cpu",
) -> None:
    """Pre-training without masks against training de novo ("Pretrain once and finetune many times")."""

    def work(job: Job) -> Path:
        from MSLesionSegLib.network.device import choose_device
        from MSLesionSegLib.studies.engine.recipes import study_recipe
        from MSLesionSegLib.studies.pretraining.networks import chosen_networks
        from MSLesionSegLib.studies.pretraining.settings import PretrainingData, PretrainingSettings
        from MSLesionSegLib.studies.pretraining.study import run_pretraining

        chosen = PretrainingSettings(
            networks=chosen_networks(network or ("unet", "unetr", "swinunetr"), pretrain_settings, seed),
            base=model_reference(base) if base else None,
            subset=subset,
            sizes=tuple(n or (2, 4)),
            recipe=study_recipe(recipe, options.settings).but(seed=seed).as_dict(),
            threshold=threshold,
            seed=seed,
            threads=threads_or_default(options.threads),
            device=choose_device(device),
        )
        return run_pretraining(
            chosen, PretrainingData(absolute(scans), absolute(cases)), options.output, options.executor, job
        )

    options.run("pretraining", work)
