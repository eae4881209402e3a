"""``mslesionseg study continual``: centres one after the other, with and without replay."""

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
def study_continual(
    options: StudyOptions,
    centres: Annotated[
        list[Path],
        typer.Argument(help="BIDS datasets, or folders of prepared examples, in the order of training."),
    ],
    base: Annotated[
        str | None,
        typer.Option(help="Base model that the first centre starts from (default: random weights)."),
    ] = None,
    levels: Annotated[int, typer.Option(help="Levels of the U-Net: 3, 4 or 5.")] = 3,
    maps: Annotated[int, typer.Option(help="Feature maps at full resolution.")] = 32,
    buffer: Annotated[int, typer.Option(help="Cases of each earlier centre that replay keeps.")] = 20,
    orders: Annotated[int, typer.Option(help="Orders of the centres: the given one, then random ones.")] = 1,
    seed: Annotated[
        list[int] | None, typer.Option(help="Seed of weights and patches; can be repeated.")
    ] = None,
    test_share: Annotated[float, typer.Option(help="Share of each centre's patients that tests.")] = 0.2,
    recipe: RecipeName = "default",
) -> None:
    """Centres one after the other: fine-tuning, experience replay, all at once (Karthik et al. 2022)."""

    def work(job: Job) -> Path:
        from MSLesionSegLib.studies.continual.settings import ContinualData, ContinualSettings
        from MSLesionSegLib.studies.continual.study import run_continual
        from MSLesionSegLib.studies.engine.recipes import study_recipe

        chosen = ContinualSettings(
            start=model_reference(base) if base else None,
            levels=levels,
            base=maps,
            recipe=study_recipe(recipe, options.settings).as_dict(),
            buffer=buffer,
            orders=orders,
            seeds=tuple(seed or (0,)),
            test_share=test_share,
            threads=threads_or_default(options.threads),
        )
        return run_continual(chosen, ContinualData(absolute(centres)), options.output, options.executor, job)

    options.run("continual", work)
