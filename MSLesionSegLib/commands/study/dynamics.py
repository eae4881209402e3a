"""``mslesionseg study dynamics``: representations along training, with and without transfer."""

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
def study_dynamics(
    options: StudyOptions,
    centre: Annotated[Path, typer.Argument(help="BIDS dataset, or folder of prepared examples.")],
    base: Annotated[list[str], typer.Option(help="Base model, a U-Net; can be repeated.")],
    points: Annotated[int, typer.Option(help="How often a training is scored.")] = 8,
    patches: Annotated[int, typer.Option(help="Test patches to compare networks through.")] = 24,
    samples: Annotated[int, typer.Option(help="Places per layer at which activations are compared.")] = 4000,
    seed: Annotated[list[int] | None, typer.Option(help="Seed; can be repeated (default: 0 and 1).")] = None,
    test_share: Annotated[float, typer.Option(help="Share of the patients that tests.")] = 0.2,
    recipe: RecipeName = "default",
) -> None:
    """Dynamics of parameters and representations in transfer learning (Karimi et al. 2021)."""

    def work(job: Job) -> Path:
        from MSLesionSegLib.studies.dynamics.settings import DynamicsData, DynamicsSettings
        from MSLesionSegLib.studies.dynamics.study import run_dynamics
        from MSLesionSegLib.studies.engine.recipes import study_recipe

        chosen = DynamicsSettings(
            bases=tuple(map(model_reference, base)),
            recipe=study_recipe(recipe, options.settings).as_dict(),
            points=points,
            patches=patches,
            samples=samples,
            seeds=tuple(seed or (0, 1)),
            test_share=test_share,
            threads=threads_or_default(options.threads),
        )
        return run_dynamics(
            chosen, DynamicsData(absolute([centre])[0]), options.output, options.executor, job
        )

    options.run("dynamics", work)
