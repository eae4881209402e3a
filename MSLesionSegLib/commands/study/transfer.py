"""``mslesionseg study transfer``: fine-tuning against training de novo with few cases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.commands.options import takes_options
from MSLesionSegLib.commands.study.options import (
    RecipeName,
    StudyOptions,
    absolute,
    model_reference,
    threads_or_default,
)
from MSLesionSegLib.jobs.job import Job


@takes_options
def study_transfer(
    options: StudyOptions,
    cases: Annotated[list[Path], typer.Argument(help="BIDS datasets of the target disease.")],
    base: Annotated[list[str] | None, typer.Option(help="Base model to fine-tune; can be repeated.")] = None,
    levels: Annotated[
        list[int] | None,
        typer.Option(help="Also a U-Net with 3, 4 or 5 levels, its base trained on --base-cases."),
    ] = None,
    maps: Annotated[int, typer.Option(help="Feature maps at full resolution of the --levels networks.")] = 16,
    base_cases: Annotated[
        list[Path] | None, typer.Option(help="Dataset, or prepared examples, of other pathology.")
    ] = None,
    external: Annotated[
        list[Path] | None, typer.Option(help="BIDS dataset of another institution to test on.")
    ] = None,
    subset: Annotated[int, typer.Option(help="Patients per subset of the rotation.")] = 2,
    n: Annotated[
        list[int] | None, typer.Option("--n", help="Training patients; can be repeated (default: 2 and 4).")
    ] = None,
    recipe: RecipeName = "default",
    base_settings: Annotated[
        list[str] | None, typer.Option("--base-set", help="Field of the bases' training recipe.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="Probability from which a voxel is lesion.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Order of the patients and random weights.")] = 0,
) -> None:
    """Fine-tuning of a base model against training de novo with few cases (Huang et al. 2023)."""

    def work(job: Job) -> Path:
        from MSLesionSegLib.studies.engine.recipes import study_recipe
        from MSLesionSegLib.studies.transfer.settings import TransferData, TransferSettings
        from MSLesionSegLib.studies.transfer.study import run_transfer

        chosen = TransferSettings(
            bases=tuple(map(model_reference, base or ())),
            levels=tuple(levels or ()),
            base=maps,
            subset=subset,
            sizes=tuple(n or (2, 4)),
            recipe=study_recipe(recipe, options.settings).but(seed=seed).as_dict(),
            base_recipe=study_recipe(recipe, base_settings).but(seed=seed).as_dict(),
            threshold=threshold,
            seed=seed,
            threads=threads_or_default(options.threads),
        )
        data = TransferData(absolute(cases), absolute(external), absolute(base_cases))
        return run_transfer(chosen, data, options.output, options.executor, job)

    options.run("transfer", work)
